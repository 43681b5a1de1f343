/** What the explainer of captures has to say about a message. @module */

/** Something about a message that deserves attention. */
export interface Finding {
  /** `violation`: an RFC forbids it. `remark`: it advises against it, or it is odd. */
  severity: "violation" | "remark";
  /** The row of the checklist: RFC, section, number. */
  row: string;
  /** What it is, in a sentence without a full stop. */
  text: string;
}

/** Something that an RFC forbids. */
export function violation(row: string, text: string): Finding {
  return { severity: "violation", row, text };
}

/** Something that an RFC advises against, or that is odd. */
export function remark(row: string, text: string): Finding {
  return { severity: "remark", row, text };
}
