import ApusCore
import NIOCore

/// Prometheus' text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
enum MetricText {
    static func write(_ registry: MetricsRegistry, to text: inout ByteBuffer) {
        for (name, family) in registry.snapshot() {
            text.writeString("# HELP \(name) \(escaped(family.definition.help, quote: false))\n")
            text.writeString("# TYPE \(name) \(word(for: family.kind))\n")
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                switch family.kind {
                case .counter, .gauge: writeLine(name, labels, number(series.value), to: &text)
                case .histogram(let unitsPerBase):
                    let distribution = series.distribution(bounds: family.definition.bounds)
                    write(distribution, name, labels, unitsPerBase: unitsPerBase, to: &text)
                }
            }
        }
    }

    private static func write(
        _ distribution: Distribution, _ name: String, _ labels: MetricLabels, unitsPerBase: Int64,
        to text: inout ByteBuffer
    ) {
        var count: Int64 = 0
        for (index, own) in distribution.counts.enumerated() {
            count += own
            let bound =
                distribution.bounds.indices.contains(index)
                ? number(Double(distribution.bounds[index]) / Double(unitsPerBase)) : "+Inf"
            writeLine(name + "_bucket", labels, bound: bound, String(count), to: &text)
        }
        writeLine(name + "_sum", labels, number(Double(distribution.sum) / Double(unitsPerBase)), to: &text)
        writeLine(name + "_count", labels, String(count), to: &text)
    }

    private static func writeLine(
        _ name: String, _ labels: MetricLabels, bound: String? = nil, _ value: String, to text: inout ByteBuffer
    ) {
        var parts = labels.labels.map { "\($0.name)=\"\(escaped($0.value, quote: true))\"" }
        if let bound { parts.append("le=\"\(bound)\"") }
        text.writeString(name)
        if !parts.isEmpty { text.writeString("{\(parts.joined(separator: ","))}") }
        text.writeString(" \(value)\n")
    }

    private static func word(for kind: MetricFamily.Kind) -> String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    /// Whole numbers without a fraction, others so that reading them gives the same again.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { String($0) } ?? "\(value)"
    }

    static func escaped(_ text: String, quote: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quote: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// `label` as a metric's name: letters, digits, `_` and `:`.
    static func name(_ label: String) -> String { identifier(label, colon: true) }

    static func labelName(_ label: String) -> String { identifier(label, colon: false) }

    private static func identifier(_ label: String, colon: Bool) -> String {
        let isFine = label.utf8.enumerated().allSatisfy { isAllowed($1, colon: colon, isFirst: $0 == 0) }
        guard !isFine || label.isEmpty else { return label }
        var name = ""
        for byte in label.utf8 {
            if name.isEmpty, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { name = "_" }
            let isAllowed = isAllowed(byte, colon: colon, isFirst: false)
            name.unicodeScalars.append(isAllowed ? Unicode.Scalar(byte) : "_")
        }
        return name.isEmpty ? "_" : name
    }

    private static func isAllowed(_ byte: UInt8, colon: Bool, isFirst: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): !isFirst
        case UInt8(ascii: ":"): colon
        default: false
        }
    }
}
