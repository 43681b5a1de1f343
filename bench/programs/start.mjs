/** Binds a server, or nothing at all, and ends. `node bench/programs/start.mjs [MODULE]` @module */

if (process.argv[2] !== undefined) {
  const { CoAPResponse, serve } = await import(process.argv[2]);
  await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("hello"));
}
process.exit(0);
