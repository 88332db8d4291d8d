/// Pieces of a page. Whatever is not markup of ours is escaped here.
enum HTML {
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// Text with code in backquotes.
    static func inline(_ text: String) -> String {
        var isCode = false
        return text.split(separator: "`", omittingEmptySubsequences: false).map { part in
            defer { isCode.toggle() }
            return isCode ? "<code>\(escaped(String(part)))</code>" : escaped(String(part))
        }.joined()
    }

    /// Paragraphs with empty lines between them; one whose lines begin with `- ` is a list.
    static func blocks(_ text: String) -> String {
        paragraphs(of: text).map { paragraph in
            guard paragraph.hasPrefix("- ") else { return "<p>\(inline(paragraph))</p>" }
            let items = paragraph.split(separator: "\n").map { "<li>\(inline(String($0.dropFirst(2))))</li>" }
            return "<ul>\n\(items.joined(separator: "\n"))\n</ul>"
        }.joined(separator: "\n")
    }

    /// The same in a cell.
    static func lines(_ text: String) -> String {
        paragraphs(of: text).map(inline).joined(separator: "<br>")
    }

    private static func paragraphs(of text: String) -> [String] {
        text.split(separator: "\n\n").map { String($0) }
    }

    /// A path that may break behind its slashes.
    static func path(_ pattern: String) -> String {
        escaped(pattern).replacing("/", with: "/<wbr>")
    }

    /// - Parameter rows: cells of markup.
    static func table(_ head: [String], _ rows: [[String]]) -> String {
        let heads = head.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let lines = rows.map { row in
            let cells = zip(head, row).map { name, cell in "<td data-name=\"\(name)\">\(cell)</td>" }
            return "<tr>\(cells.joined())</tr>"
        }
        return
            "<table>\n<thead><tr>\(heads)</tr></thead>\n<tbody>\n\(lines.joined(separator: "\n"))\n</tbody>\n</table>"
    }

    /// What a schema takes, its names linked to where they are explained.
    static func words(of schema: JSONSchema) -> String {
        switch schema.kind {
        case .reference(let name): "<a href=\"#schema-\(name)\">\(name)</a>"
        case .problem: "<a href=\"#schema-Problem\">Problem</a>"
        case .either(let schemas): schemas.map(words).joined(separator: " or ")
        case .array(let element, let countMax):
            "array of \(words(of: element))" + (countMax.map { ", at most \($0)" } ?? "")
        case .anything, .string, .choice, .integer, .number, .boolean, .yes, .object, .null: escaped(schema.words)
        }
    }
}
