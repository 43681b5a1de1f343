/** Plain counters of an engine. @module */

/** What an engine has counted since it was made. All grow only. */
export interface Stats {
  /** Bytes of datagrams received. */
  receivedBytes: number;
  /** Bytes of datagrams sent. */
  sentBytes: number;
  /** Confirmable messages received. */
  receivedConfirmable: number;
  /** Non-confirmable messages received. */
  receivedNonConfirmable: number;
  /** Acknowledgements received. */
  receivedAcknowledgement: number;
  /** Resets received. */
  receivedReset: number;
  /** Confirmable messages sent, retransmissions as well. */
  sentConfirmable: number;
  /** Non-confirmable messages sent. */
  sentNonConfirmable: number;
  /** Acknowledgements sent. */
  sentAcknowledgement: number;
  /** Resets sent. */
  sentReset: number;
  /** CoAP pings answered. */
  receivedPing: number;
  /** Confirmable messages sent again. */
  retransmissions: number;
  /** Confirmable messages never acknowledged. */
  gaveUp: number;
  /** Messages received again. */
  duplicates: number;
  /** Datagrams that are no well-formed message. */
  rejectedMalformed: number;
  /** Well-formed messages that nobody waited for. */
  rejectedUnexpected: number;
  /** Messages dropped or refused because a limit was reached. */
  rejectedLimit: number;
  /** Peers forgotten before their time because the table was full. */
  evictedPeers: number;
  /** Answered messages forgotten before their time because a limit was reached. */
  evictedDuplicates: number;
}

/** Counters at zero. */
export function newStats(): Stats {
  return {
    receivedBytes: 0,
    sentBytes: 0,
    receivedConfirmable: 0,
    receivedNonConfirmable: 0,
    receivedAcknowledgement: 0,
    receivedReset: 0,
    sentConfirmable: 0,
    sentNonConfirmable: 0,
    sentAcknowledgement: 0,
    sentReset: 0,
    receivedPing: 0,
    retransmissions: 0,
    gaveUp: 0,
    duplicates: 0,
    rejectedMalformed: 0,
    rejectedUnexpected: 0,
    rejectedLimit: 0,
    evictedPeers: 0,
    evictedDuplicates: 0,
  };
}
