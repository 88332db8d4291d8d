import Foundation

@testable import ServerTests

/// What the browser tests need beside Swift, and where it is.
enum Equipment {
    /// Something is missing; what to do about it.
    struct Missing: Error, CustomStringConvertible {
        var what: String

        var description: String { "\(what) is missing here; run: make setup-tests" }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func program(_ name: String) throws -> String {
        let places = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":").map(String.init) ?? []
        for place in places where FileManager.default.isExecutableFile(atPath: "\(place)/\(name)") {
            return "\(place)/\(name)"
        }
        throw Missing(what: name)
    }

    /// axe-core, which finds what keeps people out of a page.
    static func axe() throws -> String {
        let place = root.appending(path: ".build/axe/axe_core_python/axe.min.js")
        guard let text = try? String(contentsOf: place, encoding: .utf8) else { throw Missing(what: "axe-core") }
        return text
    }
}

/// One run of ChromeDriver and the session with one browser in it (W3C WebDriver).
final class Driver {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let program: Program
    private let directory: ScratchDirectory
    private let port: Int
    private let session: String

    init() throws {
        directory = ScratchDirectory()
        let browser = try Equipment.program("chromium")
        program = try Program(
            ["--port=0"], environment: ["HOME": directory.path], in: directory.path,
            executable: try Equipment.program("chromedriver"))
        port = try Self.port(of: program)
        let options = """
            {"binary":\(JSON.quoted(browser)),"args":["--headless=new","--no-sandbox","--disable-dev-shm-usage",\
            "--disable-gpu","--window-size=1280,900"]}
            """
        let answer = try Self.call(
            port, "POST", "/session",
            """
            {"capabilities":{"alwaysMatch":{"browserName":"chrome","goog:loggingPrefs":{"browser":"ALL"},\
            "goog:chromeOptions":\(options)}}}
            """)
        guard let session = answer["sessionId"].text else { throw Failure(description: answer.raw) }
        self.session = session
    }

    deinit {
        _ = try? Self.call(port, "DELETE", "/session/\(session)")
        // It inherited a mask of signals that holds back any other.
        program.end(with: SIGKILL)
    }

    /// A command of the session; its `value`.
    @discardableResult
    func call(_ method: String, _ command: String, _ body: String = "{}") throws -> JSON {
        try Self.call(port, method, "/session/\(session)/\(command)", method == "POST" ? body : nil)
    }

    private static func call(_ port: Int, _ method: String, _ target: String, _ body: String? = nil) throws -> JSON {
        let answer = try HTTPConnection(port: port).call(
            method, target, headers: [("Content-Type", "application/json")], body: body.map { Array($0.utf8) })
        let value = try answer.json()["value"]
        guard answer.status == 200 else {
            let message = value["message"].text?.split(separator: "\n").first.map(String.init)
            throw Failure(description: "\(value["error"].text ?? ""): \(message ?? answer.text)")
        }
        return value
    }

    /// From the line `ChromeDriver was started successfully on port 12345.`
    private static func port(of program: Program) throws -> Int {
        var port: Int?
        let isUp = eventually {
            let words = program.printed.split { $0 == " " || $0 == "\n" }
            if let index = words.lastIndex(of: "successfully"), index + 3 < words.count {
                port = Int(words[index + 3].prefix { $0.isNumber })
            }
            return port != nil || !program.isRunning
        }
        guard isUp, let port else { throw Failure(description: "chromedriver: \(program.printed)\(program.errors)") }
        return port
    }
}
