/**
 * The tree is the architecture: imports point down this list, never up, never in a circle, and a third-party package has one home.
 */

/** From the top down. A layer may import itself and what stands below it. */
const layers = [
  // The entry, the configuration and the composition root.
  '^src/[^/]+[.]ts$',
  '^src/cli/',
  '^src/supervisor/',
  '^src/fronts/',
  '^src/service/',
  '^src/cluster/',
  '^src/cache/',
  '^src/store/',
  '^src/codec/',
  '^src/format/',
  '^src/base/',
];

/** Package -> the only places under src/ that may import it. A package that is not listed here may not be imported at all. */
const homes = {
  '@cornerstonejs/codec-charls': ['^src/codec/'],
  '@cornerstonejs/codec-openjph': ['^src/codec/'],
  '@grpc/grpc-js': ['^src/client/'],
  // Records are checked where their bytes are laid out and where they are read back.
  '@node-rs/crc32': ['^src/(format|store)/'],
  '@toondepauw/node-zstd': ['^src/codec/'],
  ajv: ['^src/config'],
  'cli-progress': ['^src/cli/'],
  commander: ['^src/cli/', '^src/main[.]ts$'],
  fastify: ['^src/fronts/'],
  'hash-wasm': ['^src/(format|base|codec)/'],
  lmdb: ['^src/store/'],
  pino: ['^src/[^/]+[.]ts$'],
  piscina: ['^src/codec/'],
  'prom-client': ['^src/fronts/admin/', '^src/gateway'],
  protobufjs: ['^src/format/', '^src/fronts/grpc/', '^src/client/'],
  saxes: ['^src/format/'],
  'tar-stream': ['^src/cli/'],
  undici: ['^src/cli/', '^src/client/', '^src/store/'],
};

const packagePath = (name) => `(^|/)node_modules/${name.replace('/', '[/]')}/`;

const upward = layers.slice(1).map((layer, index) => ({
  name: `no-import-upward-from-${layer.match(/[a-z]+(?=\/$)/)[0]}`,
  comment: 'Imports point down the list of layers: move the code down, or pass it in from above.',
  severity: 'error',
  from: { path: layer },
  to: { path: layers.slice(0, index + 1) },
}));

const homeRules = Object.entries(homes).map(([name, places]) => ({
  name: `one-home-for-${name.replace(/[@/]/g, '-').replace(/^-/, '')}`,
  comment: `${name} is imported only in ${places.join(', ')}: use what those files export.`,
  severity: 'error',
  from: { path: '^src/', pathNot: places },
  to: { path: packagePath(name) },
}));

module.exports = {
  forbidden: [
    ...upward,
    ...homeRules,
    {
      name: 'client-stands-alone',
      comment: 'The published client may use format/ and base/ and nothing else of the gateway.',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { path: '^src/', pathNot: ['^src/(client|format|base)/'] },
    },
    {
      name: 'client-is-for-the-command-line',
      comment: 'A gateway does not talk to itself through the published client.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(client|cli)/'] },
      to: { path: '^src/client/' },
    },
    {
      name: 'format-is-pure',
      comment: 'format/ turns bytes into values, synchronously, without I/O: pass the bytes in.',
      severity: 'error',
      from: { path: '^src/format/' },
      to: {
        path: '^(node:)?(fs|fs/promises|net|http|http2|https|tls|dgram|dns|child_process|cluster|worker_threads)$',
      },
    },
    {
      name: 'every-file-is-in-a-layer',
      comment:
        'A folder that is not in the list of layers: put the file into one, or add the layer here and to ARCHITECTURE.md.',
      severity: 'error',
      from: { path: '^src/', pathNot: [...layers, '^src/client/'] },
      to: {},
    },
    {
      name: 'every-package-has-a-home',
      comment: 'Give the package a home in .dependency-cruiser.cjs, or use one that is there.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        path: '(^|/)node_modules/',
        pathNot: Object.keys(homes).map(packagePath).concat(packagePath('@types/node')),
      },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-development-packages-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'src/ does not import tests, benchmarks or scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|loadtest|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
