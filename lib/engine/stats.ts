/** Plain counters of an engine. @module */

/**
 * What has been counted since the start. All of them only grow. Where the transport is reliable (RFC 8323) there are no
 * types of messages, no duplicates and nothing is sent again: those stay 0.
 */
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
  /** Messages dropped or refused because one of the `Limits` was reached. */
  rejectedLimit: number;
  /** Requests refused because their sender made more than `requestRate` allows. */
  rejectedRate: number;
  /** Requests answered 5.03 because they had waited too long for the application. */
  rejectedLate: number;
  /** Requests of ours that were started, pings apart; one whose body goes in blocks counts once. */
  requestsSent: number;
  /** Requests of peers that were handed to the application, likewise. */
  requestsServed: number;
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
    rejectedRate: 0,
    rejectedLate: 0,
    requestsSent: 0,
    requestsServed: 0,
    evictedPeers: 0,
    evictedDuplicates: 0,
  };
}
