/// A strict reader of the text format 0.0.4, of the tests' own: what the server writes is not judged by itself.
struct Exposition {
    struct Malformed: Error {
        var line: String
        var why: String
    }

    struct Sample {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Family {
        var help: String
        var type: String
        var samples: [Sample] = []
    }

    private(set) var families: [String: Family] = [:]

    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Malformed(line: "", why: "the last line has no end") }
        var current = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if line.hasPrefix("# HELP ") {
                let words = line.dropFirst(7).split(separator: " ", maxSplits: 1)
                guard words.count == 2, families[String(words[0])] == nil else {
                    throw Malformed(line: String(line), why: "no help, or told twice")
                }
                current = String(words[0])
                families[current] = Family(help: String(words[1]), type: "")
            } else if line.hasPrefix("# TYPE ") {
                let words = line.dropFirst(7).split(separator: " ")
                guard words.count == 2, words[0] == current, families[current]?.type == "",
                    ["counter", "gauge", "histogram"].contains(words[1])
                else { throw Malformed(line: String(line), why: "a type without its help, or an unknown one") }
                families[current]?.type = String(words[1])
            } else {
                let sample = try Self.sample(String(line))
                guard let family = families[current], Self.names(current, family.type).contains(sample.name) else {
                    throw Malformed(line: String(line), why: "it is not of the family it stands in")
                }
                families[current]?.samples.append(sample)
            }
        }
        try checkSeries()
    }

    /// The value of the series with exactly these labels.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        families.values.lazy.flatMap(\.samples).first { $0.name == name && $0.labels == labels }?.value
    }

    /// All series of that name together.
    func total(_ name: String) -> Double {
        families.values.flatMap(\.samples).filter { $0.name == name }.reduce(0) { $0 + $1.value }
    }

    private static func names(_ family: String, _ type: String) -> [String] {
        type == "histogram" ? ["_bucket", "_sum", "_count"].map { family + $0 } : [family]
    }

    /// `name{label="value",…} number`
    private static func sample(_ line: String) throws -> Sample {
        var rest = line[...]
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        rest = rest.dropFirst(name.count)
        guard let first = name.first, !first.isNumber else { throw Malformed(line: line, why: "no name") }
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest.removeFirst()
            while rest.first != "}" {
                let label = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                rest = rest.dropFirst(label.count)
                guard !label.isEmpty, rest.hasPrefix("=\"") else { throw Malformed(line: line, why: "no label") }
                rest = rest.dropFirst(2)
                guard labels.updateValue(try value(&rest, line), forKey: String(label)) == nil else {
                    throw Malformed(line: line, why: "a label twice")
                }
                if rest.first == "," { rest.removeFirst() }
            }
            rest.removeFirst()
        }
        guard rest.first == " ", let number = number(rest.dropFirst()) else {
            throw Malformed(line: line, why: "no number")
        }
        return Sample(name: String(name), labels: labels, value: number)
    }

    private static func value(_ rest: inout Substring, _ line: String) throws -> String {
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
            guard character == "\\" else {
                value.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": value.append("\\")
            case "\"": value.append("\"")
            case "n": value.append("\n")
            default: throw Malformed(line: line, why: "an unknown escape")
            }
        }
        return value
    }

    private static func number(_ text: Substring) -> Double? {
        switch text {
        case "+Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: text.allSatisfy { $0.isNumber || "+-.e".contains($0) } ? Double(text) : nil
        }
    }

    /// No series is told twice, and the classes of a histogram add up.
    private func checkSeries() throws {
        for (name, family) in families {
            guard !family.type.isEmpty else { throw Malformed(line: name, why: "it has no type") }
            let keys = family.samples.map { "\($0.name) \($0.labels.sorted { $0.key < $1.key })" }
            guard Set(keys).count == keys.count else { throw Malformed(line: name, why: "a series is told twice") }
            guard family.type == "histogram" else { continue }
            for count in family.samples where count.name == name + "_count" {
                let buckets = family.samples.filter { sample in
                    sample.name == name + "_bucket" && sample.labels.filter { $0.key != "le" } == count.labels
                }
                let bounds = buckets.compactMap { $0.labels["le"].flatMap { Self.number($0[...]) } }
                guard bounds == bounds.sorted(), bounds.last == .infinity, bounds.count == buckets.count,
                    buckets.map(\.value) == buckets.map(\.value).sorted(), buckets.last?.value == count.value,
                    value(name + "_sum", count.labels) != nil
                else { throw Malformed(line: name, why: "the classes do not add up") }
            }
        }
    }
}
