/** The commands. One entry a verb; its module is imported when it is called, so `--help` loads none of them. */
import type { Verb } from './verb.js'

const SET = ['--set <key=value>', 'override a key of the file, e.g. training.batch_size=512', 'repeat'] as const
const PIPELINE = ['<files...>', 'the pipeline file; more files are layers over it, later ones win'] as const

export const VERBS: readonly Verb[] = [
  {
    name: 'init',
    summary: 'look at a data file and write a pipeline file that runs as it is',
    arguments: [['<data>', 'CSV, JSON lines or Parquet: a file, a folder or a pattern']],
    options: [
      ['--label <column>', 'the column to predict'],
      ['--out <file>', 'the file to write (default: pipeline.yaml)'],
      ['--yes', 'ask nothing'],
    ],
    examples: [
      ['millrace init customers.csv --label churned', 'writes pipeline.yaml'],
      ['millrace init "sales/*.parquet" --label price --out price.yaml --yes', 'many files, no questions'],
    ],
    load: () => import('./commands/init.js'),
  },
  {
    name: 'check',
    summary: 'every fault of a pipeline file at once, and what will run on this machine',
    arguments: [PIPELINE],
    options: [SET],
    examples: [
      ['millrace check pipeline.yaml', ''],
      ['millrace check pipeline.yaml --set training.batch_size=512', 'as it would be with the override'],
      ['millrace check base.yaml production.yaml --json', 'two layers; the result as JSON'],
    ],
    load: () => import('./commands/check.js'),
  },
  {
    name: 'models',
    summary: 'what the registry holds, and which version an alias points to',
    arguments: [['[name]', 'a model: shows its versions']],
    examples: [
      ['millrace models', 'all models'],
      ['millrace models churn', 'its versions, newest first'],
      ['millrace models alias churn champion 3', 'version 3 is the champion now; a running server follows'],
      ['millrace models rollback churn', 'the champion is again what it was before'],
    ],
    load: () => import('./commands/models.js'),
    verbs: [
      {
        name: 'alias',
        summary: 'point an alias to a version',
        arguments: [
          ['<name>', 'the model'],
          ['<alias>', 'e.g. champion'],
          ['<version>', 'its number'],
        ],
        options: [['--reason <text>', 'kept in the history of the alias']],
        examples: [['millrace models alias churn champion 3', '']],
        load: async () => ({ run: (await import('./commands/models.js')).alias }),
      },
      {
        name: 'rollback',
        summary: 'point an alias to where it pointed before',
        arguments: [['<name>', 'the model']],
        options: [['--alias <alias>', 'which one (default: champion)']],
        examples: [['millrace models rollback churn', '']],
        load: async () => ({ run: (await import('./commands/models.js')).rollback }),
      },
    ],
  },
  {
    name: 'predict',
    summary: 'score a file: its columns, then prediction and the probability of each class',
    arguments: [
      ['<model>', 'models:/NAME@ALIAS, or a model.onnx'],
      ['<data>', 'CSV, JSON lines or Parquet: a file, a folder or a pattern'],
    ],
    options: [
      ['--out <file>', 'where to; .csv, .jsonl or .parquet says the format'],
      ['--force', 'replace the file if it exists'],
      ['--replace', 'leave out columns of the data that are called as the new ones'],
      ['--escape-formulas', 'CSV for spreadsheets: a quote before texts that begin with = + - @ and are no numbers'],
      ['--history <file>', "earlier rows for the model's windows; they are not scored"],
    ],
    examples: [
      ['millrace predict models:/churn@champion customers.csv --out scored.csv', ''],
      ['millrace predict model.onnx customers.parquet --out scored.parquet --force', 'a file, not the registry'],
      ['millrace predict models:/fraud@champion today.csv --history may.parquet --out scored.csv', ''],
    ],
    load: () => import('./commands/predict.js'),
  },
  {
    name: 'export',
    summary: 'copy the one model.onnx out of the registry',
    arguments: [['<model>', 'models:/NAME@ALIAS or models:/NAME/VERSION']],
    options: [
      ['--out <file>', 'the file to write'],
      ['--force', 'replace the file if it exists'],
    ],
    examples: [['millrace export models:/churn@champion --out model.onnx', '']],
    load: () => import('./commands/export.js'),
  },
  {
    name: 'serve',
    summary: 'answer predictions over HTTP until Ctrl-C; follows its alias without losing a request',
    arguments: [
      ['<models...>', 'models:/NAME@ALIAS, or a model.onnx; several, and several versions of one: the first answers'],
    ],
    options: [
      ['--port <number>', 'default 8080; 0 takes a free one'],
      ['--host <address>', 'default 127.0.0.1; others need --token-file'],
      ['--token-file <file>', 'requests must bring its text as Authorization: Bearer'],
      ['--max-batch <rows>', 'the most rows of one run of the model (default 256)'],
      ['--max-wait <ms>', 'how long a request may wait for others to share its run (default 0)'],
      ['--timeout <ms>', 'rows that waited longer for a run are answered 503 (default 10000)'],
      ['--max-rows <rows>', 'of one request; more are answered 413 (default 100000)'],
      ['--max-body <bytes>', 'of one request; more are answered 413 (default 16777216)'],
      ['--max-queue <rows>', 'that wait for a run; more are answered 429 (default 100000)'],
      ['--max-active <requests>', 'that are read and not answered; more are answered 429 (default 256)'],
      ['--max-bodies <bytes>', 'of all requests under way; more are answered 429 (default 268435456)'],
      ['--max-connections <number>', 'that are open; more are closed at once (default 10000)'],
      ['--unknown-columns <what>', 'columns that the model does not know: refuse (default) or ignore'],
      ['--poll <ms>', 'how often to look whether the alias has moved (default 250)'],
      ['--drain-delay <ms>', 'how long it still accepts after Ctrl-C, not ready any more (default 250)'],
      ['--canary <model=share>', 'this version answers a share of the requests, e.g. 5%', 'repeat'],
      ['--canary-key <column>', 'its value in the first row chooses (default: the header x-request-id)'],
      ['--shadow <model[=share]>', 'this version predicts the same rows after the answer, for /metrics', 'repeat'],
      ['--log-predictions <folder>', 'inputs and predictions as Parquet, by model, version and date'],
      ['--log-sample <share>', 'of the requests, e.g. 1% (default 100%)'],
      ['--log-rows <rows>', 'a file of the log is finished at this many rows (default 100000)'],
      ['--log-mb <megabytes>', 'or when the open files take this much memory (default 64)'],
      ['--log-minutes <minutes>', 'or after this time (default 10)'],
    ],
    examples: [
      ['millrace serve models:/churn@champion', 'on http://127.0.0.1:8080'],
      ['millrace serve models:/churn@champion --port 0 --json', 'a free port; one JSON line says which'],
      ['millrace serve models:/churn@champion models:/churn/3 models:/fraud', '/v2/models/churn/versions/3/infer'],
      [
        'millrace serve models:/churn@champion --canary models:/churn@challenger=5% --canary-key customerID',
        'the same customer is always answered by the same version',
      ],
      ['millrace serve models:/churn@champion --shadow models:/churn@challenger', 'compared, never answering'],
      ['millrace serve models:/churn@champion --log-predictions log --log-sample 1%', 'what drift is measured on'],
      ['millrace serve model.onnx --host 0.0.0.0 --token-file token.txt', 'for others, with a token'],
    ],
    load: () => import('./commands/serve.js'),
  },
  {
    name: 'run',
    summary: 'the whole pipeline; what the journal holds is not done again',
    arguments: [PIPELINE],
    options: [
      SET,
      ['--seed <n>', 'seed of splits, initial weights and order (default: the file’s, 42)'],
      ['--force [stages]', 'do again what the journal holds: everything, or stages, e.g. train,evaluate'],
    ],
    examples: [
      ['millrace run pipeline.yaml', 'ends with a page; exit code 3 if the gate refuses the model'],
      ['millrace run pipeline.yaml --set training.learning_rate=0.01', 'only what reads that key is done again'],
      ['millrace run pipeline.yaml --json', 'one event a line'],
    ],
    load: () => import('./commands/run.js'),
  },
  {
    name: 'resume',
    summary: 'go on with a run that was killed, interrupted or failed',
    arguments: [['[run]', 'its name (default: the newest that is not finished)']],
    examples: [
      ['millrace resume', ''],
      ['millrace resume 20261124-120307-a1b2c3 --home .millrace', ''],
    ],
    load: () => import('./commands/resume.js'),
  },
  {
    name: 'status',
    summary: 'each stage of a run, now or as it ended',
    arguments: [['[run]', 'its name (default: the newest)']],
    examples: [
      ['millrace status', ''],
      ['millrace status --json', 'the whole state'],
    ],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'runs',
    summary: 'all runs, the newest last',
    examples: [
      ['millrace runs', ''],
      ['millrace runs --home examples/churn/.millrace', ''],
    ],
    load: () => import('./commands/runs.js'),
  },
  {
    name: 'explain',
    summary: 'what a run would do again, and why',
    arguments: [
      ['<file>', 'the pipeline file'],
      ['[stage]', 'only this stage'],
    ],
    options: [SET],
    examples: [
      ['millrace explain pipeline.yaml', ''],
      ['millrace explain pipeline.yaml train --set training.dropout=0.3', 'why train would run with that'],
    ],
    load: () => import('./commands/explain.js'),
  },
  {
    name: 'open',
    summary: 'the page of a run',
    arguments: [['[run]', 'its name (default: the newest)']],
    options: [['--print', 'only print where it is']],
    examples: [
      ['millrace open', ''],
      ['millrace open --print', 'the path alone'],
    ],
    load: () => import('./commands/open.js'),
  },
  {
    name: 'doctor',
    summary: 'what is installed, whether it works, and the space that is left',
    examples: [
      ['millrace doctor', ''],
      ['millrace doctor --home /data/millrace', 'looks at that folder'],
    ],
    load: () => import('./commands/doctor.js'),
  },
]
