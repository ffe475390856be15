/** The part of the ONNX format that is written here has the numbers and types of the format itself (PyPI's onnx). */
import { readFileSync } from 'node:fs'
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { beforeAll, describe, expect, it } from 'vitest'
import { file_onnx } from '../../src/core/onnx/onnx_pb.js'
import { python } from './python.js'

interface Format {
  readonly messages: Readonly<Record<string, Readonly<Record<string, readonly [number, string, boolean]>>>>
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>
}

const local = (name: string): string => name.replace(/^onnx\./, '')

function typeOf(field: DescField): string {
  if (field.message !== undefined) return local(field.message.typeName)
  if (field.enum !== undefined) return local(field.enum.typeName)
  return (ScalarType[field.scalar] ?? '').toLowerCase()
}

function nested(messages: readonly DescMessage[]): readonly DescMessage[] {
  return messages.flatMap((message) => [message, ...nested(message.nestedMessages)])
}

const messages = nested(file_onnx.messages)
const enums: readonly DescEnum[] = [...file_onnx.enums, ...messages.flatMap(({ nestedEnums }) => nestedEnums)]

describe('the ONNX format', () => {
  let format: Format
  beforeAll(async () => {
    format = await python<Format>('onnx_descriptors.py')
  })

  it.each(messages.map((message) => [local(message.typeName), message] as const))(
    '%s has its fields',
    (name, message) => {
      const theirs = format.messages[name]
      expect(theirs, `onnx has no message ${name}`).toBeDefined()
      for (const field of message.fields)
        expect([field.number, typeOf(field), field.fieldKind === 'list'], `${name}.${field.name}`).toEqual(
          theirs?.[field.name],
        )
    },
  )

  it.each(enums.map((item) => [local(item.typeName), item] as const))('%s has its values', (name, item) => {
    for (const value of item.values)
      expect(value.number, `${name}.${value.name}`).toBe(format.enums[name]?.[value.name])
  })

  it('is generated from onnx.proto as it stands', () => {
    const proto = readFileSync(new URL('../../src/core/onnx/onnx.proto', import.meta.url), 'utf8').replaceAll(
      /\/\/.*/g,
      '',
    )
    const numbered = [...proto.matchAll(/(\w+)\s*=\s*(\d+)\s*;/g)].map(([, name, number]) => `${name} ${number}`)
    const ours = [
      ...messages.flatMap(({ fields }) => fields.map(({ name, number }) => `${name} ${number}`)),
      ...enums.flatMap(({ values }) => values.map(({ name, number }) => `${name} ${number}`)),
    ]
    expect(numbered.sort()).toEqual(ours.sort())
  })
})
