export { SeededRandom } from "../lib/transport/seeded_random.ts";
