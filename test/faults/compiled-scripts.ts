/**
 * The store and the scripts of these tests as plain JavaScript in a temporary folder, so that a process of theirs starts in a
 * tenth of a second and can be killed hundreds of times.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NEEDED = ['src/base', 'src/format', 'src/codec', 'src/store'];

/** @returns the paths of the compiled scripts, in the order of their names */
export function compileScripts(folder: string, ...names: readonly string[]): string[] {
  writeInto(folder, 'package.json', '{ "type": "module" }');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const sources = NEEDED.flatMap((place) => readdirSync(join(ROOT, place)).map((name) => `${place}/${name}`));
  for (const file of [
    ...sources.filter((name) => name.endsWith('.ts')),
    ...names.map((name) => `test/faults/${name}.ts`),
  ]) {
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    writeInto(folder, file.replace(/\.ts$/, '.js'), outputText);
  }
  return names.map((name) => join(folder, `test/faults/${name}.js`));
}

function writeInto(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}
