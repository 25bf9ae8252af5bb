/** A key for this bench alone. */
export const KEY = 'hnb_R2Qr9NZqXsBwHr3Sm6LsUdcce0tdMuhOtkWl11Utfno0nXlrV'
