/** The part of the Spark Connect protocol that is written here has the names, numbers and types of the installed Spark. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fromBinary, isFieldSet, type DescMessage } from '@bufbuild/protobuf'
import {
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type MethodDescriptorProto,
} from '@bufbuild/protobuf/wkt'
import { beforeAll, describe, expect, it } from 'vitest'
import { file_connect, SparkConnectService } from '../../src/etl/spark/connect/connect_pb.js'
import { file_status } from '../../src/etl/spark/connect/status_pb.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

function pyspark(): string {
  const lib = `${root}/.venv-spark/lib`
  const python = readdirSync(lib).find((name) => name.startsWith('python3')) ?? ''
  return `${lib}/${python}/site-packages/pyspark`
}

function nested(messages: readonly DescMessage[]): readonly DescMessage[] {
  return messages.flatMap((message) => [message, ...nested(message.nestedMessages)])
}

/** What must be equal; `oneof` by its name, as its index depends on which others there are. */
function facts(field: FieldDescriptorProto, oneofs: readonly { readonly name: string }[]) {
  const one = isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex)
  const { number, type, label, typeName, proto3Optional, oneofIndex } = field
  return { number, type, label, typeName, proto3Optional, oneof: one ? oneofs[oneofIndex]?.name : '' }
}

const ours = nested(file_connect.messages)
const enums = [...file_connect.enums, ...ours.flatMap(({ nestedEnums }) => nestedEnums)]

describe('the Spark Connect protocol', () => {
  const messages = new Map<string, DescriptorProto>()
  const theirEnums = new Map<string, EnumDescriptorProto>()
  const methods = new Map<string, MethodDescriptorProto>()
  let rpc: Readonly<Record<string, string>> = {}

  function visit(message: DescriptorProto, above: string): void {
    const name = `${above}.${message.name}`
    messages.set(name, message)
    for (const inner of message.nestedType) visit(inner, name)
    for (const item of message.enumType) theirEnums.set(`${name}.${item.name}`, item)
  }

  beforeAll(async () => {
    const args = [`${root}/test/engines/spark_descriptors.py`, pyspark()]
    const { stdout } = await promisify(execFile)('python3', args, { maxBuffer: 2 ** 24 })
    const told = JSON.parse(stdout) as { descriptors: string[]; rpc: Record<string, string> }
    rpc = told.rpc
    for (const text of told.descriptors) {
      const file = fromBinary(FileDescriptorProtoSchema, Buffer.from(text, 'base64'))
      for (const message of file.messageType) visit(message, file.package)
      for (const item of file.enumType) theirEnums.set(`${file.package}.${item.name}`, item)
      for (const service of file.service) for (const method of service.method) methods.set(method.name, method)
    }
    expect(messages.size).toBeGreaterThan(200)
  })

  it.each(ours.map((message) => [message.typeName.replace('spark.connect.', ''), message] as const))(
    '%s has its fields',
    (_, message) => {
      const theirs = messages.get(message.typeName)
      expect(theirs, `Spark has no message ${message.typeName}`).toBeDefined()
      for (const field of message.fields) {
        const real = theirs?.field.find(({ name }) => name === field.name)
        if (real === undefined || theirs === undefined) throw new Error(`${message.typeName} has no ${field.name}`)
        expect(facts(field.proto, message.proto.oneofDecl), field.name).toEqual(facts(real, theirs.oneofDecl))
      }
    },
  )

  it.each(enums.map((item) => [item.typeName.replace('spark.connect.', ''), item] as const))(
    '%s has its values',
    (_, item) => {
      const theirs = theirEnums.get(item.typeName)
      for (const { name, number } of item.values)
        expect(number, name).toBe(theirs?.value.find((value) => value.name === name)?.number)
    },
  )

  it.each(SparkConnectService.methods.map((method) => [method.name, method] as const))(
    '%s is its call',
    (name, own) => {
      const { inputType, outputType, clientStreaming, serverStreaming } = own.proto
      const theirs = methods.get(name)
      expect([inputType, outputType, clientStreaming, serverStreaming]).toEqual([
        ...[theirs?.inputType, theirs?.outputType, theirs?.clientStreaming, theirs?.serverStreaming],
      ])
    },
  )

  it.each(file_status.messages.map((message) => [message.name, message] as const))('google.rpc.%s', (name, message) => {
    const text = Object.values(rpc)
      .join('\n')
      .replace(/\/\/.*/g, '')
    const body = new RegExp(`message ${name} \\{([^}]*)\\}`).exec(text)?.[1] ?? ''
    const proto = /message \w+ \{([^}]*)\}/g
    const file = readFileSync(`${root}/src/etl/spark/connect/status.proto`, 'utf8').replace(/\/\/.*/g, '')
    const own = [...file.matchAll(proto)]
      .map(([, inside = '']) => inside)
      .find((inside) => inside.includes(message.fields[0]?.name ?? ''))
    const lines = (source: string) =>
      source
        .split(';')
        .map((line) => line.trim().replace(/\s+/g, ' '))
        .filter(Boolean)
    expect(lines(body).length).toBeGreaterThan(0)
    expect(lines(body)).toEqual(expect.arrayContaining(lines(own ?? 'nothing')))
  })

  it('is generated from connect.proto as it stands', () => {
    const proto = readFileSync(`${root}/src/etl/spark/connect/connect.proto`, 'utf8').replace(/\/\/.*/g, '')
    const written = [...proto.matchAll(/(\w+)\s*=\s*(\d+)\s*;/g)].map(([, name, number]) => `${name} ${number}`)
    const generated = [
      ...ours.flatMap(({ fields }) => fields.map(({ name, number }) => `${name} ${number}`)),
      ...enums.flatMap(({ values }) => values.map(({ name, number }) => `${name} ${number}`)),
    ]
    expect(written.sort()).toEqual(generated.sort())
  })
})
