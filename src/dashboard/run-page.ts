/** The page that ends every run: one self-contained HTML file that a person would show to a colleague. */
import { markup } from '../core/html.js'
import { name, page, type Section } from './page.js'
import type { RunPageData } from './run-page-data.js'
import { columnsSection, dataSection } from './sections/data.js'
import { evaluationSection } from './sections/evaluation.js'
import { featuresSection } from './sections/features.js'
import { header } from './sections/header.js'
import { leaksSection } from './sections/leaks.js'
import { modelSection } from './sections/model.js'
import { pipelineSection } from './sections/pipeline.js'
import { configurationSection, provenanceSection } from './sections/provenance.js'
import { trainingSection } from './sections/training.js'

export type { RunPageData, RunPageStage } from './run-page-data.js'

/**
 * The whole page as text. Pure: the same data gives the same bytes. What is absent in `data` is left out; nothing is
 * loaded from anywhere, and every name or value from outside is escaped.
 */
export function renderRunPage(data: RunPageData): string {
  const sections = [
    evaluationSection(data.evaluation),
    modelSection(data),
    pipelineSection(data),
    dataSection(data),
    columnsSection(data.validation),
    featuresSection(data.features, data.windows),
    leaksSection(data.leaks),
    trainingSection(data.training),
    configurationSection(data),
    provenanceSection(data),
  ].filter((s): s is Section => s !== undefined)
  return page({
    title: `${data.run.pipeline}: run ${data.run.id}`,
    name: data.run.pipeline,
    header: header(data),
    sections,
    footer: markup`Written by Millrace ${data.versions['millrace'] ?? ''} for run ${name(data.run.id, 60)}. This file
    stands alone: it loads nothing and sends nothing.`,
  })
}
