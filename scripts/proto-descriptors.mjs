export function descriptorsModule() {
  return 'export const FILES = [];\n';
}
