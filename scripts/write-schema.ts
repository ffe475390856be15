/** Writes schema/pipeline.schema.json from the zod schemas: `node --import tsx scripts/write-schema.ts`. */
import { writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/config/json-schema.js'

writeFileSync(new URL('../schema/pipeline.schema.json', import.meta.url), jsonSchema())
