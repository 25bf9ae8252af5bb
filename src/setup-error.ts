/**
 * The app was set up wrongly, and only a request could show it. Its message names the setting and the mend, and goes into
 * the event of the fault.
 */
export class SetupError extends TypeError {
  override readonly name = 'SetupError'
}
