import Glibc

/// A `.env` file: lines `NAME=value`, comments that start with `#`, quotes around values where they are needed.
struct SettingsFile {
    static let bytesMax = 1 << 20

    /// As messages name it.
    let path: String

    /// - Parameter path: relative to the working directory unless it starts with `/`.
    init(path: String) {
        self.path = path.hasPrefix("/") ? path : Self.workingDirectory() + "/" + path
    }

    /// What the file sets, of two lines with the same name the later; empty if there is no file.
    func read() throws(SettingsError) -> [String: String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return [:] }
            throw Self.failure("cannot read \(path)")
        }
        defer { close(descriptor) }
        return try read(from: descriptor)
    }

    /// What the open file sets, read from its start.
    func read(from descriptor: Int32) throws(SettingsError) -> [String: String] {
        guard let text = String(validating: try bytes(of: descriptor), as: UTF8.self) else {
            throw SettingsError("\(path) is not UTF-8 text")
        }
        return try parse(text)
    }

    /// All bytes of the open file; refused beyond ``bytesMax``.
    func bytes(of descriptor: Int32) throws(SettingsError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.bytesMax + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count, off_t(count))
            }
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw Self.failure("cannot read \(path)")
            }
            count += got
        }
        guard count <= Self.bytesMax else { throw SettingsError("\(path) is larger than 1 MiB") }
        return Array(bytes[..<count])
    }

    func parse(_ text: String) throws(SettingsError) -> [String: String] {
        var values: [String: String] = [:]
        let withoutMark =
            text.unicodeScalars.first == "\u{FEFF}" ? Substring(text.unicodeScalars.dropFirst()) : text[...]
        let lines = withoutMark.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, scalars) in lines.enumerated() {
            var line = Substring(scalars).trimmed()
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            if line.hasPrefix("export ") { line = line.dropFirst("export ".count).trimmed() }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { $0.trimmed() }
            // The line itself may be a secret, so it is not shown.
            guard parts.count == 2, Self.isName(parts[0]), let value = Self.unquoted(parts[1]) else {
                throw SettingsError("line \(index + 1) of \(path) cannot be read; expected: NAME=value")
            }
            values[parts[0]] = value
        }
        return values
    }

    static func failure(_ what: String) -> SettingsError {
        SettingsError("\(what): \(String(cString: strerror(errno)))")
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0) } == true
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// A value up to its comment, or what stands between its quotes; `nil` if the closing quote is missing.
    private static func unquoted(_ text: String) -> String? {
        guard let quote = text.first, quote == "\"" || quote == "'" else {
            if text.hasPrefix("#") { return "" }
            return text.firstRange(of: " #").map { text[..<$0.lowerBound].trimmed() } ?? text
        }
        let rest = text.dropFirst()
        guard let end = rest.firstIndex(of: quote) else { return nil }
        let after = rest[rest.index(after: end)...].trimmed()
        return after.isEmpty || after.hasPrefix("#") ? String(rest[..<end]) : nil
    }

    private static func workingDirectory() -> String {
        guard let path = getcwd(nil, 0) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }
}
