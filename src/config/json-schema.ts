/** The JSON Schema of a pipeline file, for editors: `node --import tsx scripts/write-schema.ts` keeps the copy in schema/. */
import { z } from 'zod'
import { factsOf, pipelineSchema } from './schema.js'

/** The schema as the text of schema/pipeline.schema.json. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(pipelineSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema: json }) => {
      const facts = factsOf(zodSchema)
      // `positive: 1` is right in a file: the text is what counts
      if (facts?.verbatim === true) json.type = ['string', 'number', 'boolean'] as unknown as 'string'
      // a bound that says no more than "exact in a double"
      if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum
    },
  })
  const head = { title: 'Millrace pipeline', description: 'One YAML file: from raw data to a served model.' }
  return `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`
}
