/** The embedded trainer keeps the contract of every trainer. */
import { trainerConformance } from '../../../test/conformance/trainer.js'
import { embeddedTrainer } from './embedded.js'

trainerConformance('embedded', embeddedTrainer)
