/**
 * What a store must hold: for each key what was acknowledged last, and which later writes have an unknown outcome. A key is
 * written by one client at a time, so an acknowledgement ends everything that was open before it.
 */
import { randomBytes } from 'node:crypto';

/** An object's bytes by number, or its absence. */
export type Version = Content | 'absent';

export interface Content {
  readonly seed: number;
  readonly size: number;
}

const SLAB_BYTES = 12 * 1024 * 1024;

interface Claim {
  acknowledged: Version;
  open: Version[];
  /** The last writes and what their writers heard, to name what should not be there. */
  readonly history: { readonly version: Version; heard: string }[];
}

const HISTORY_MAX = 20;

/** Random bytes that differ from those of every other version but for luck. */
function slabBytes(): (version: Content) => Buffer {
  const slab = randomBytes(SLAB_BYTES);
  return ({ seed, size }) => {
    const from = (seed * 4099) % (SLAB_BYTES - size);
    return slab.subarray(from, from + size);
  };
}

export class Ledger {
  /** The bytes of a version; not to be written to. */
  readonly bytes: (version: Content) => Buffer;
  readonly #claims = new Map<string, Claim>();
  #seed = 0;
  acknowledgements = 0;
  unknown = 0;

  constructor(bytes: (version: Content) => Buffer = slabBytes()) {
    this.bytes = bytes;
  }

  newVersion(size: number): Content {
    return { seed: ++this.#seed, size };
  }

  keys(): string[] {
    return [...this.#claims.keys()];
  }

  /** What the key must hold; `undefined` while the outcome of a write is open. */
  settled(key: string): Version | undefined {
    const claim = this.#claims.get(key);
    if (claim === undefined) return 'absent';
    return claim.open.length === 0 ? claim.acknowledged : undefined;
  }

  begin(key: string, version: Version): Attempt {
    const claim = this.#claims.get(key) ?? { acknowledged: 'absent', open: [], history: [] };
    this.#claims.set(key, claim);
    claim.open.push(version);
    const entry = { version, heard: 'nothing' };
    claim.history.push(entry);
    if (claim.history.length > HISTORY_MAX) claim.history.shift();
    return {
      acknowledge: () => {
        entry.heard = 'stored';
        claim.acknowledged = version;
        claim.open = [];
        this.acknowledgements++;
      },
      refuse: () => {
        entry.heard = 'refused';
        claim.open = claim.open.filter((other) => other !== version);
      },
      leaveOpen: () => {
        entry.heard = 'unknown';
        this.unknown++;
      },
    };
  }

  /** What is wrong with what was found, if anything; what was found is from then on what the key must hold. */
  judge(key: string, found: Buffer | 'absent'): string | undefined {
    const claim = this.#claims.get(key);
    if (claim === undefined)
      return found === 'absent' ? undefined : `${key} was never written and has ${found.length} bytes`;
    const allowed = [claim.acknowledged, ...claim.open];
    const match = allowed.find((version) => this.#isSame(version, found));
    if (match === undefined) {
      const known = claim.history.find(({ version }) => this.#isSame(version, found));
      const what = known === undefined ? `has ${found.length} unknown bytes` : `is ${describe(known.version)}`;
      const history = claim.history.map(({ version, heard }) => `${describe(version)}: ${heard}`).join(', ');
      return `${key} ${what}; it may be ${allowed.map(describe).join(' or ')}; history: ${history}`;
    }
    claim.acknowledged = match;
    claim.open = [];
    return undefined;
  }

  #isSame(version: Version, found: Buffer | 'absent'): boolean {
    if (version === 'absent' || found === 'absent') return version === found;
    return found.length === version.size && found.equals(this.bytes(version));
  }
}

export interface Attempt {
  acknowledge(): void;
  /** The store said that nothing was done. */
  refuse(): void;
  /** No answer, or one that says that the outcome is unknown. */
  leaveOpen(): void;
}

function describe(version: Version): string {
  return version === 'absent' ? 'absent' : `version ${version.seed} of ${version.size} bytes`;
}
