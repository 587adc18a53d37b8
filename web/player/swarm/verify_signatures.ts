import { type Bytes, concat, hex, utf8 } from "../bytes.ts";
import { type Envelope, pae, signedBy, signedByNow } from "../dsse.ts";
import { sha256Now } from "../hashing.ts";
import type { Signed, Trust } from "../trust.ts";

/** How many checks are remembered between their being made and their being needed. */
const maxChecked = 1024;

/**
 * Signatures that were checked ahead. In a browser checking one is asynchronous, while judging what it signs must
 * not be: who is believed depends on the order in which things are taken in. So the checks, which depend on
 * nothing, are made ahead and remembered; one that was not is made on the spot, which takes longer and says the same.
 */
export class Signatures {
  private readonly checked = new Map<string, boolean>();

  /** Says whether a key signed an envelope. */
  readonly signed: Signed = (e, key) => this.checked.get(nameOf(e, key)) ?? signedByNow(e, key);

  /** Checks a document's signature by the key that must have signed it, as far as trust knows. Undefined where there is nothing to check. */
  ahead(trust: Trust, e: Envelope): Promise<void> | undefined {
    let key: Bytes;
    try {
      key = trust.signer(e);
    } catch {
      return undefined; // judging it will say why
    }
    const name = nameOf(e, key);
    return this.checked.has(name) ? undefined : signedBy(e, key).then((yes) => this.note(name, yes));
  }

  private note(name: string, yes: boolean): void {
    if (this.checked.size >= maxChecked) this.checked.delete(this.checked.keys().next().value!);
    this.checked.set(name, yes);
  }
}

function nameOf(e: Envelope, key: Bytes): string {
  return hex(sha256Now(concat(key, e.sig, utf8(e.keyId), pae(e.payloadType, e.payload))));
}
