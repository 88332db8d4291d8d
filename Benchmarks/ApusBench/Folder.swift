import Glibc

/// A folder of this run: made new, measured, and removed with all that is in it.
struct Folder {
    let path: String

    /// The folder at a path, made with its parents when it is missing.
    static func make(_ path: String) throws -> Folder {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else { throw BenchError.system("mkdir \(made)") }
        }
        return Folder(path: try absolute(path))
    }

    /// A new folder inside this one that nothing else has used.
    func makeRunFolder() throws -> Folder {
        var template = Array("\(path)/run-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError.system("mkdtemp in \(path)") }
        return Folder(path: template.withUnsafeBufferPointer { Self.text($0) })
    }

    /// A path made independent of the current folder; it must exist.
    static func absolute(_ path: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw BenchError.system(path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Bytes that the files in it take on the disk.
    var diskBytes: Int {
        var total = 0
        for entry in entries {
            var facts = stat()
            guard lstat(entry, &facts) == 0 else { continue }
            let isFolder = facts.st_mode & S_IFMT == S_IFDIR
            total += isFolder ? Folder(path: entry).diskBytes : Int(facts.st_blocks) * 512
        }
        return total
    }

    func remove() {
        for entry in entries {
            var facts = stat()
            guard lstat(entry, &facts) == 0 else { continue }
            if facts.st_mode & S_IFMT == S_IFDIR {
                Folder(path: entry).remove()
            } else {
                unlink(entry)
            }
        }
        rmdir(path)
    }

    private var entries: [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Self.text($0.bindMemory(to: CChar.self)) }
            if name != "." && name != ".." { found.append("\(path)/\(name)") }
        }
        return found
    }

    private static func text(_ characters: UnsafeBufferPointer<CChar>) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A whole small file as text, or `nil`; used for `/proc` and for what the server printed.
func fileText(_ path: String, bytesMax: Int = 1 << 20) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while content.count < bytesMax {
        let length = read(descriptor, &chunk, chunk.count)
        guard length > 0 else { break }
        content.append(contentsOf: chunk[0..<length])
    }
    return String(decoding: content, as: UTF8.self)
}

/// Makes a file of this text, or replaces its content.
func writeFile(_ path: String, _ text: String) throws {
    let content = Array(text.utf8)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw BenchError.system("open \(path)") }
    defer { close(descriptor) }
    var written = 0
    while written < content.count {
        let length = content.withUnsafeBytes { bytes in
            write(descriptor, bytes.baseAddress.map { $0 + written }, content.count - written)
        }
        guard length > 0 else { throw BenchError.system("write \(path)") }
        written += length
    }
}
