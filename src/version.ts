/** Version of muster; a test holds it equal to package.json's. */
export const version: string = '0.1.0'

/** Version of the message protocol: peers of another one are refused by name. */
export const protocolVersion: number = 1
