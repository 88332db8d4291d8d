import Foundation
import Testing

@testable import ServerTests

/// A browser, used as a person uses it: by what is written on buttons, links and fields.
final class Browser {
    private let driver: Driver

    init() throws {
        driver = try Driver()
        // Several browsers may be open, and one window has the focus.
        try send("Emulation.setFocusEmulationEnabled", #"{"enabled":true}"#)
    }

    // MARK: The window

    func open(_ address: String) throws {
        try driver.call("POST", "url", "{\"url\":\(JSON.quoted(address))}")
    }

    func reload() throws {
        try driver.call("POST", "refresh")
    }

    func resize(width: Int, height: Int, isPhone: Bool = false) throws {
        try send(
            "Emulation.setDeviceMetricsOverride",
            "{\"width\":\(width),\"height\":\(height),\"deviceScaleFactor\":1,\"mobile\":\(isPhone)}")
    }

    /// What the system is said to prefer.
    func prefer(dark: Bool) throws {
        try send(
            "Emulation.setEmulatedMedia",
            "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"\(dark ? "dark" : "light")\"}]}")
    }

    func download(to directory: String) throws {
        try send(
            "Browser.setDownloadBehavior", "{\"behavior\":\"allow\",\"downloadPath\":\(JSON.quoted(directory))}")
    }

    /// A picture of the window in `.build/screenshots`.
    func picture(_ name: String) throws {
        let folder = Equipment.root.appending(path: ".build/screenshots")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let text = try driver.call("GET", "screenshot").text ?? ""
        try #require(Data(base64Encoded: text)).write(to: folder.appending(path: "\(name).png"))
    }

    /// What the browser complained of since it was last asked, among it every breach of the page's policy.
    func complaints() throws -> [String] {
        try driver.call("POST", "se/log", #"{"type":"browser"}"#).items.compactMap { $0["message"].text }
    }

    private func send(_ command: String, _ parameters: String) throws {
        try driver.call("POST", "goog/cdp/execute", "{\"cmd\":\"\(command)\",\"params\":\(parameters)}")
    }

    // MARK: The page

    /// What a script, the body of a function, returns.
    @discardableResult
    func run(_ script: String, _ arguments: String...) throws -> JSON {
        let given = arguments.map { JSON.quoted($0) }.joined(separator: ",")
        return try driver.call("POST", "execute/sync", "{\"script\":\(JSON.quoted(script)),\"args\":[\(given)]}")
    }

    /// What a script gives to its last argument, a function.
    @discardableResult
    func runAwaiting(_ script: String) throws -> JSON {
        try driver.call("POST", "execute/async", "{\"script\":\(JSON.quoted(script)),\"args\":[]}")
    }

    /// Everything that can be read now.
    func text() throws -> String {
        try run("return document.body.innerText").text ?? ""
    }

    /// The same for a message.
    private var seen: String { (try? text()) ?? "nothing" }

    /// Waits until `text` can be read.
    func waitFor(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let isThere = try eventually { try self.text().contains(text) }
        try #require(isThere, "waited for “\(text)”, there is: \(seen)", sourceLocation: sourceLocation)
    }

    func waitUntil(_ condition: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let holds = try eventually { try run("return Boolean(\(condition))").bool == true }
        try #require(holds, "waited for \(condition), there is: \(seen)", sourceLocation: sourceLocation)
    }

    // MARK: What a person does

    /// Presses the button or follows the link that is called `name`; waits for it.
    func press(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try click("action", name, sourceLocation)
    }

    func tick(_ label: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try click("field", label, sourceLocation)
    }

    /// Types into the field whose label begins with `label`, instead of what is there.
    func fill(_ label: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let field = try find("field", label, sourceLocation)
        try driver.call("POST", "element/\(field)/clear")
        try driver.call("POST", "element/\(field)/value", "{\"text\":\(JSON.quoted(text))}")
    }

    func choose(_ option: String, in label: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let field = try find("field", label, sourceLocation)
        try driver.call("POST", "element/\(field)/value", "{\"text\":\(JSON.quoted(option))}")
    }

    enum Key: String {
        case tab = "\u{E004}"
        case enter = "\u{E007}"
        case escape = "\u{E00C}"
    }

    func press(_ key: Key) throws {
        let quoted = JSON.quoted(key.rawValue)
        try driver.call(
            "POST", "actions",
            """
            {"actions":[{"type":"key","id":"keys","actions":[{"type":"keyDown","value":\(quoted)},\
            {"type":"keyUp","value":\(quoted)}]}]}
            """)
    }

    /// What has the focus is called.
    func focus() throws -> String {
        try run("const named = \(Self.named); return named(document.activeElement)").text ?? ""
    }

    private func click(_ kind: String, _ name: String, _ sourceLocation: SourceLocation) throws {
        // A table may be drawn anew between finding and pressing.
        var failure: (any Error)?
        for _ in 0..<3 {
            do {
                try driver.call("POST", "element/\(try find(kind, name, sourceLocation))/click")
                return
            } catch let error as Driver.Failure where error.description.hasPrefix("stale") {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private func find(_ kind: String, _ name: String, _ sourceLocation: SourceLocation) throws -> String {
        var found: JSON = .missing
        let isThere = try eventually {
            found = try run(Self.finding, kind, name)
            return !found.isNull
        }
        try #require(isThere, "there is no \(kind) “\(name)” in: \(seen)", sourceLocation: sourceLocation)
        // The name of this member is fixed by the protocol.
        return try #require(found["element-6066-11e4-a52e-4f735466cecf"].text, sourceLocation: sourceLocation)
    }

    private static let named = """
        (element) => (element.getAttribute("aria-label") ?? element.textContent).trim().replace(/\\s+/g, " ")
        """

    /// An open dialog is all there is.
    private static let finding = """
        const [kind, name] = arguments;
        const named = \(named);
        const root = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
        const seen = [...root.querySelectorAll(kind === "field" ? "label" : "button, a, summary")]
          .filter((element) => element.checkVisibility());
        if (kind === "field") return seen.find((label) => named(label).startsWith(name))?.control ?? null;
        return seen.find((element) => named(element) === name && !element.disabled) ?? null;
        """
}
