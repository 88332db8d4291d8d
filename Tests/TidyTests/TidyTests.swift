import Foundation
import Testing

/// The house rules that no compiler keeps: who may import whom, and how long a file may be.
@Suite struct TidyTests {
    /// What each room may import. SwiftPM alone does not see to it: an undeclared import of a sibling fails a clean
    /// build and passes the next one. `nil` is everything.
    private static let allowedImports: [String: Set<String>?] = [
        "ApusCore": ["NIOCore"],
        "ApusProtocol": ["ApusCore", "NIOCore"],
        "ApusEngine": [
            "ApusCore", "Crypto", "Glibc", "Logging", "Metrics", "NIOCore", "ServiceLifecycle", "Synchronization",
        ],
        "ApusStorageKit": ["ApusCore", "Glibc", "NIOCore"],
        "ApusSQLite": ["ApusCore", "ApusStorageKit", "CSQLite", "NIOCore", "Synchronization"],
        "ApusLMDB": ["ApusCore", "ApusStorageKit", "CLMDB", "Glibc", "NIOCore", "Synchronization"],
        "ApusMemory": ["ApusCore", "NIOCore", "Synchronization"],
        "ApusAuth": [
            "ApusCore", "Crypto", "CryptoExtras", "Foundation", "FoundationEssentials", "JWTKit", "NIOCore",
            "Synchronization",
        ],
        "ApusHTTP": [
            "ApusCore", "ApusProtocol", "CPages", "Crypto", "Glibc", "Logging", "Metrics", "Mustache",
            "NIOConcurrencyHelpers",
            "NIOCore", "NIOHPACK", "NIOHTTP1", "NIOHTTP2", "NIOPosix", "NIOSSL", "NIOTLS", "ServiceLifecycle",
            "Synchronization",
        ],
        "ApusServer": nil,
        "ApusTelemetry": ["ApusCore", "Glibc", "Metrics", "NIOCore", "ServiceLifecycle", "Synchronization"],
        "ApusTesting": ["ApusCore", "Glibc", "NIOCore", "Synchronization"],
        "ApusUpkeep": ["ApusCore", "Crypto", "Glibc", "NIOCore"],
        "apus": ["ApusCore", "ApusServer", "ApusUpkeep", "ArgumentParser", "FoundationEssentials", "Glibc"],
        "CLMDB": [],
        "CPages": [],
        "CSQLite": [],
    ]

    private static let forbidden = ["try" + "!", "fatalError" + "(", "TO" + "DO", "FIX" + "ME"]

    @Test func `each room imports only what it is allowed to`() throws {
        for file in try SourceFile.all(in: "Sources") {
            let allowed = try #require(Self.allowedImports[file.room], "\(file.room) is not on the list of rooms")
            guard let allowed else { continue }
            for module in file.imports where !allowed.contains(module) {
                Issue.record("\(file.path) imports \(module), which is not for \(file.room)")
            }
        }
    }

    @Test func `no file is longer than 400 lines, and no line than 120 columns`() throws {
        for file in try SourceFile.all(in: "Sources") + SourceFile.all(in: "Tests") {
            #expect(file.lines.count <= 400, "\(file.path)")
            for (number, line) in file.lines.enumerated() where line.count > 120 {
                Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
            }
        }
    }

    @Test func `nothing is left to do, and no input can stop the program`() throws {
        for file in try SourceFile.all(in: "Sources") {
            for (number, line) in file.lines.enumerated() {
                for phrase in Self.forbidden where line.contains(phrase) {
                    Issue.record("\(file.path):\(number + 1) has \(phrase)")
                }
            }
        }
    }

    @Test func `every source file ends with one line end`() throws {
        for file in try SourceFile.all(in: "Sources") {
            #expect(file.text.hasSuffix("\n") && !file.text.hasSuffix("\n\n"), "\(file.path)")
        }
    }
}

struct SourceFile {
    let path: String
    let room: String
    let text: String

    var lines: [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false).dropLast(text.hasSuffix("\n") ? 1 : 0)
    }

    /// The modules named by `import` lines, whatever stands before or after the word.
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(of: "import"), index + 1 < words.count,
                words[..<index].allSatisfy({ $0.hasPrefix("@") || Self.modifiers.contains($0) })
            else { return nil }
            let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let name = kinds.contains(words[index + 1]) ? words.dropFirst(index + 2).first : words[index + 1]
            return name?.split(separator: ".").first.map(String.init)
        }
    }

    private static let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]

    static func all(in folder: String) throws -> [SourceFile] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let start = root.appending(path: folder)
        let paths = try #require(FileManager.default.subpaths(atPath: start.path()))
        let files = try paths.filter { $0.hasSuffix(".swift") }.sorted().map { path in
            let text = try String(contentsOf: start.appending(path: path), encoding: .utf8)
            return SourceFile(
                path: folder + "/" + path, room: path.split(separator: "/").first.map(String.init) ?? "", text: text)
        }
        try #require(!files.isEmpty, "no sources in \(folder)")
        return files
    }
}
