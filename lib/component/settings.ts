/** The settings of `config`, by name. @module */

import { CoAPError } from "../errors.ts";
import { udpFeatures } from "../endpoint/features.ts";
import { type CodePage, codePage } from "./code_page.ts";
import { BUILD_INFO, LICENSE_INFO } from "./build_info.ts";

/** What is known of the socket that is open. */
export interface SocketInfo {
  readonly address: string;
  readonly port: number;
  /** Bytes in force, where the runtime tells. */
  readonly bufferSizes: { readonly receive: number; readonly send: number } | undefined;
}

/** What settings need of the component. */
export interface SettingsHost {
  /** The socket that is open. */
  socket(): SocketInfo | undefined;
  /** Whether a socket is open or about to be. */
  isOpen(): boolean;
  /** Whether the sockets are not those of the runtime: then what they offer is not known here. */
  readonly ownTransport: boolean;
}

/** How a setting is read and set, as text. `set` throws what it does not take. */
interface Setting {
  readonly name: string;
  get(): string;
  set(value: string): void;
}

const DEFAULT_CODE_PAGE = codePage(65001);
/** The longest UDP datagram there is, bytes, and what a datagram has at least. */
const MAX_PACKET = 65_535;
const MIN_PACKET = 16;
const MAX_BUFFER = 2 ** 31 - 1;

const TRUE = /^(?:true|yes|1)$/i;
const FALSE = /^(?:false|no|0)$/i;

/** The values of all settings, and of the properties that are settings as well. */
export class Settings {
  localHost = "";
  localPort = 0;
  useIPv6 = false;
  shareLocalPort = false;
  useConnection = false;
  maxPacketSize: number = MAX_PACKET;
  /** 0 stands for the system's own. */
  inBufferSize = 0;
  outBufferSize = 0;
  logLevel = 1;
  codePage: CodePage = DEFAULT_CODE_PAGE;
  readonly #host: SettingsHost;
  readonly #settings: ReadonlyMap<string, Setting>;

  constructor(host: SettingsHost) {
    this.#host = host;
    this.#settings = new Map(this.#define().map((one) => [one.name.toLowerCase(), one]));
  }

  /** The names. */
  get names(): string[] {
    return [...this.#settings.values()].map(({ name }) => name);
  }

  /**
   * Reads "Name" or sets "Name=value"; then the answer is empty.
   *
   * @throws {TypeError} where it is no string
   * @throws {RangeError} where there is no such setting or it does not take that value
   * @throws {CoAPError} `wrong-mode` where it can not be set while a socket is open
   */
  config(text: string): string {
    if (typeof text !== "string") {
      throw new TypeError(`A setting is given as a string: it is "${String(text)}"`);
    }
    const equals = text.indexOf("=");
    const name = (equals < 0 ? text : text.slice(0, equals)).trim();
    const setting = this.#settings.get(name.toLowerCase());
    if (setting === undefined) throw new RangeError(`Unknown setting "${name}"`);
    if (equals < 0) return setting.get();
    setting.set(text.slice(equals + 1).trim());
    return "";
  }

  /** All back to the defaults. */
  reset(): void {
    this.localHost = "";
    this.localPort = 0;
    this.useIPv6 = this.shareLocalPort = this.useConnection = false;
    this.maxPacketSize = MAX_PACKET;
    this.inBufferSize = this.outBufferSize = 0;
    this.logLevel = 1;
    this.codePage = DEFAULT_CODE_PAGE;
  }

  /** @throws {CoAPError} `wrong-mode` while a socket is open */
  setLocalHost(host: string): void {
    if (typeof host !== "string") {
      throw new TypeError(`LocalHost must be a string: it is "${String(host)}"`);
    }
    this.#needClosed("LocalHost");
    this.localHost = host;
  }

  /** @throws {CoAPError} `wrong-mode` while a socket is open */
  setLocalPort(port: number): void {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new RangeError(`LocalPort must be an integer from 0 to 65535: it is "${port}"`);
    }
    this.#needClosed("LocalPort");
    this.localPort = port;
  }

  #define(): Setting[] {
    const { setsBufferSizes, connects } = this.#host.ownTransport
      ? { setsBufferSizes: true, connects: true }
      : udpFeatures();
    return [
      fixedBoolean("AbsoluteTimeout", false),
      fixed("BuildInfo", BUILD_INFO),
      fixedBoolean("CaptureIPPacketInfo", false),
      {
        name: "CodePage",
        get: () => String(this.codePage.id),
        set: (value) => void (this.codePage = codePage(toInteger("CodePage", value, 1, 65_535))),
      },
      fixedBoolean("DelayHostResolution", false),
      fixed("DestinationAddress", ""),
      fixedBoolean("DontFragment", false),
      fixed("FirewallData", ""),
      this.#bufferSize("InBufferSize", "inBufferSize", "receive", setsBufferSizes),
      fixed("LicenseInfo", LICENSE_INFO),
      {
        name: "LocalHost",
        get: () => this.#host.socket()?.address ?? this.localHost,
        set: (value) => this.setLocalHost(value),
      },
      {
        name: "LocalPort",
        get: () => String(this.#host.socket()?.port ?? this.localPort),
        set: (value) => this.setLocalPort(toInteger("LocalPort", value, 0, 65_535)),
      },
      {
        name: "LogLevel",
        get: () => String(this.logLevel),
        set: (value) => void (this.logLevel = toInteger("LogLevel", value, 0, 3)),
      },
      fixedBoolean("MaskSensitive", true),
      {
        name: "MaxPacketSize",
        get: () => String(this.maxPacketSize),
        set: (value) => {
          const size = toInteger("MaxPacketSize", value, MIN_PACKET, MAX_PACKET);
          this.#needClosed("MaxPacketSize");
          this.maxPacketSize = size;
        },
      },
      this.#bufferSize("OutBufferSize", "outBufferSize", "send", setsBufferSizes),
      fixed("QOSDSCPValue", "0"),
      fixed("QOSTrafficType", "0", "BestEffort"),
      this.#boolean("ShareLocalPort", "shareLocalPort", true),
      this.#boolean("UseConnection", "useConnection", connects),
      fixedBoolean("UseInternalSecurityAPI", false),
      this.#boolean("UseIPv6", "useIPv6", true),
    ];
  }

  #boolean(
    name: string,
    key: "shareLocalPort" | "useConnection" | "useIPv6",
    offered: boolean,
  ): Setting {
    return {
      name,
      get: () => fromBoolean(this[key]),
      set: (text) => {
        const value = toBoolean(name, text);
        if (value && !offered) throw refusal(name, text);
        this.#needClosed(name);
        this[key] = value;
      },
    };
  }

  #bufferSize(
    name: string,
    key: "inBufferSize" | "outBufferSize",
    direction: "receive" | "send",
    offered: boolean,
  ): Setting {
    return {
      name,
      get: () => {
        const wanted = this[key];
        const inForce = this.#host.socket()?.bufferSizes?.[direction] ?? wanted;
        return String(inForce === 2 * wanted ? wanted : inForce); // Linux doubles what it is asked for
      },
      set: (text) => {
        const size = toInteger(name, text, 0, MAX_BUFFER);
        if (size > 0 && !offered) throw refusal(name, text);
        this.#needClosed(name);
        this[key] = size;
      },
    };
  }

  #needClosed(name: string): void {
    if (!this.#host.isOpen()) return;
    throw new CoAPError("wrong-mode", `${name} can not be set while a socket is open`);
  }
}

/** A setting that can not be anything else here; `alias` is another name of its value. */
function fixed(name: string, value: string, alias = value): Setting {
  return {
    name,
    get: () => value,
    set: (text) => {
      if (text !== value && text.toLowerCase() !== alias.toLowerCase()) throw refusal(name, text);
    },
  };
}

function fixedBoolean(name: string, value: boolean): Setting {
  return {
    name,
    get: () => fromBoolean(value),
    set: (text) => {
      if (toBoolean(name, text) !== value) throw refusal(name, text);
    },
  };
}

function refusal(name: string, text: string): RangeError {
  return new RangeError(`Setting ${name} can not be "${text}" on this platform`);
}

function fromBoolean(value: boolean): string {
  return value ? "True" : "False";
}

function toBoolean(name: string, text: string): boolean {
  if (TRUE.test(text)) return true;
  if (FALSE.test(text)) return false;
  throw new RangeError(`Setting ${name} must be True or False: it is "${text}"`);
}

function toInteger(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new RangeError(`Setting ${name} must be an integer from ${min} to ${max}: it is "${text}"`);
}
