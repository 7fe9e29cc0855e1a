import { frameOverheadBytes } from './frame.ts'

/** IPv6 requires it of every link (RFC 8200, 5); below it IPv6 stops working. */
export const overlayMtuMin = 1_280
/** Outer IPv6 and UDP headers, and our frame. */
export const overlayEncapsulationBytes: number = 40 + 8 + frameOverheadBytes
/** Where the links' MTU is not known: Ethernet's. */
export const underlayMtuDefault = 1_500
/** Default MTU of the overlay: 1420, as WireGuard's. */
export const overlayMtuDefault: number = underlayMtuDefault - overlayEncapsulationBytes

/**
 * MTU of the overlay over links of this MTU, in bytes. Never under 1280: over a smaller underlay the
 * kernel fragments the outer datagrams, which is slow but works.
 */
export function overlayMtu(underlayMtu: number): number {
  return Math.max(overlayMtuMin, Math.floor(underlayMtu) - overlayEncapsulationBytes)
}
