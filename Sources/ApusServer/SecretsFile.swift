import ApusCore
import Glibc

/// Makes up the secrets nobody has set, and keeps them in the `.env` file.
struct SecretsFile {
    let file: SettingsFile

    /// Appends a random value for each of `keys` that the file does not set; what is there stays as it is.
    ///
    /// The file is made readable by its owner alone, from the moment it exists, and is durable when the call returns.
    /// Two servers starting at once agree: the second finds what the first wrote.
    func add(_ keys: [String]) throws(SettingsError) {
        let descriptor = try open()
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_EX) == 0, fchmod(descriptor, 0o600) == 0 else {
            throw SettingsFile.failure("cannot keep secrets in \(file.path)")
        }
        let bytes = try file.bytes(of: descriptor)
        let present = try file.read(from: descriptor)
        let missing = keys.filter { present[$0, default: ""].isEmpty }
        guard !missing.isEmpty else { return }
        var text = bytes.isEmpty || bytes.last == UInt8(ascii: "\n") ? "" : "\n"
        text += "# Made by apus on its first start. Whoever has these can do everything.\n"
        for key in missing { text += "\(key)=\(Self.random())\n" }
        try append(text, to: descriptor)
    }

    /// 32 random bytes as base64url.
    static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return Base64.encodeURL(bytes)
    }

    private func open() throws(SettingsError) -> Int32 {
        let flags = O_RDWR | O_APPEND | O_CLOEXEC
        var descriptor = Glibc.open(file.path, flags | O_CREAT | O_EXCL, 0o600)
        if descriptor < 0, errno == EEXIST { descriptor = Glibc.open(file.path, flags) }
        guard descriptor >= 0 else { throw SettingsFile.failure("cannot keep secrets in \(file.path)") }
        return descriptor
    }

    private func append(_ text: String, to descriptor: Int32) throws(SettingsError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SettingsFile.failure("cannot keep secrets in \(file.path)") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw SettingsFile.failure("cannot keep secrets in \(file.path)") }
        let folder = file.path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let folderDescriptor = Glibc.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { return }
        fsync(folderDescriptor)
        close(folderDescriptor)
    }
}
