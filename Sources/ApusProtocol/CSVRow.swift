public import NIOCore

extension ByteBuffer {
    /// Appends a row of comma-separated values (RFC 4180) with its CRLF.
    ///
    /// A cell that a spreadsheet may take for a formula gets a `'` before it: one that begins with `=`, `+`, `-`, `@`,
    /// or with TAB, CR or NUL.
    public mutating func writeCSVRow(_ cells: some Sequence<String>) {
        var isFirst = true
        for cell in cells {
            if !isFirst { writeStaticString(",") }
            isFirst = false
            writeCSVCell(cell)
        }
        writeStaticString("\r\n")
    }

    private mutating func writeCSVCell(_ text: String) {
        let bytes = text.utf8
        let isFormula = bytes.first.map { Self.formulaBeginnings.contains($0) } ?? false
        guard bytes.contains(where: { Self.quoted.contains($0) }) else {
            if isFormula { writeStaticString("'") }
            writeString(text)
            return
        }
        writeStaticString(isFormula ? "\"'" : "\"")
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { writeInteger(byte) }
            writeInteger(byte)
        }
        writeStaticString("\"")
    }

    private static var formulaBeginnings: [UInt8] { [0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D, 0x00] }
    /// `"`, `,`, CR and LF.
    private static var quoted: [UInt8] { [0x22, 0x2C, 0x0D, 0x0A] }
}
