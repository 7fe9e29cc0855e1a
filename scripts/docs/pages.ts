import { configurationPage } from './configuration-page.ts'
import { errorsPage } from './errors-page.ts'
import { limitsPage } from './limits-page.ts'
import { scenarioJsonSchema } from '../../simulations/scenarios/schema.ts'

/** Every generated page: path from the top of the repository, to what makes its text. */
export const generatedPages: ReadonlyMap<string, () => string> = new Map([
  ['docs/configuration.md', configurationPage],
  ['docs/errors.md', errorsPage],
  ['docs/limits.md', limitsPage],
  ['docs/scenario.schema.json', scenarioJsonSchema],
])
