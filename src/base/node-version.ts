/** Which Node this program needs. Imported before everything else, so it uses nothing that an old Node lacks. */
const MINIMUM = [20, 19] as const;

/** What to tell a person whose Node is too old, or `undefined`. @param version as in `process.versions.node` */
export function nodeVersionFault(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return undefined;
  return `penstock needs Node.js ${MINIMUM.join('.')} or newer; this is ${version}. Install a current LTS release from https://nodejs.org and start again.`;
}
