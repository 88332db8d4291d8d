extension Name {
    /// What to go on after to begin with the first name that starts with `prefix`: in byte order those names, and all
    /// above them, come after it, and all others before. It is no name, but longer. `nil` for an empty prefix.
    public static func justBefore(_ prefix: String) -> Name? {
        guard let last = prefix.unicodeScalars.last, last.value > 0 else { return nil }
        // The letter before: no name can come between the longest text that begins with it and `prefix`.
        let before = Unicode.Scalar(last.value - 1) ?? Unicode.Scalar(0xD7FF) ?? last
        var text = String(String.UnicodeScalarView(prefix.unicodeScalars.dropLast()))
        text.unicodeScalars.append(before)
        while text.utf8.count < Kind.bytesMax { text.unicodeScalars.append("\u{10FFFF}") }
        return Name(stored: text)
    }

    public func starts(with prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }
}
