import CPages
import Glibc

/// The files the dashboard is made of: those the program was built with, and over them those that lie in a directory
/// `templates` where it runs or beside it. They are read once, at the start.
enum PageFiles {
    /// What is read of a file at most; a longer one is passed over.
    private static let fileBytesMax = 1 << 20
    private static let directory = "templates"

    /// Every file by its name.
    static func load() -> [String: [UInt8]] {
        var files = embedded
        // The working directory, named last, wins.
        for place in [programPlace.map { "\($0)/\(directory)" }, directory].compactMap(\.self) {
            for name in embedded.keys {
                if let bytes = read("\(place)/\(name)") { files[name] = bytes }
            }
        }
        return files
    }

    /// Those the program was built with.
    static let embedded: [String: [UInt8]] = {
        var files: [String: [UInt8]] = [:]
        var index = 0
        while let file = page_file_at(index)?.pointee {
            files[String(cString: file.name)] = Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
            index += 1
        }
        return files
    }()

    private static var programPlace: String? {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count)
        guard count > 0, let end = path[..<count].lastIndex(of: CChar(UInt8(ascii: "/"))) else { return nil }
        return String(validating: path[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: fileBytesMax + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count <= fileBytesMax, ferror(file) == 0 else { return nil }
        return Array(bytes[..<count])
    }
}
