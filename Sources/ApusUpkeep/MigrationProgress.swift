/// How far a migration has come.
public struct MigrationProgress: Hashable, Sendable {
    public enum Phase: String, Sendable {
        /// All of the source is read once, to know what the copy must be.
        case reading
        case copying
        /// All of the target is read.
        case comparing
    }

    public var phase: Phase
    public var rows: Int
    /// `nil` while it is not known.
    public var total: Int?

    public init(phase: Phase, rows: Int, total: Int? = nil) {
        self.phase = phase
        self.rows = rows
        self.total = total
    }
}

/// Decides when progress is shown, and how.
public struct ProgressMeter: Sendable {
    public enum Style: Sendable {
        /// One line of a terminal, written over and over.
        case bar
        /// A JSON object a line.
        case json
        case none
    }

    /// The least time between two lines.
    static let interval = Duration.milliseconds(200)
    private static let barWidth = 24

    private let style: Style
    private var shown: (phase: MigrationProgress.Phase, at: Duration)?
    /// Where the present phase began: when it was first heard of, and with how many rows.
    private var start: (at: Duration, rows: Int)?
    private var phase: MigrationProgress.Phase?

    public init(style: Style) {
        self.style = style
    }

    /// What to write now; `nil` if nothing.
    ///
    /// - Parameter moment: time since some fixed moment.
    public mutating func text(for progress: MigrationProgress, at moment: Duration) -> String? {
        if phase != progress.phase {
            phase = progress.phase
            start = (moment, progress.rows)
        }
        let isComplete = progress.rows == progress.total
        if let shown, shown.phase == progress.phase, moment - shown.at < Self.interval, !isComplete { return nil }
        guard style != .none else { return nil }
        shown = (progress.phase, moment)
        let rate = rowsPerSecond(progress, at: moment)
        return style == .json ? json(progress, rate: rate) : bar(progress, rate: rate)
    }

    /// What leaves the place as it was, at the end or before something else is written.
    public var ending: String { style == .bar && shown != nil ? "\r\u{1B}[K" : "" }

    private func rowsPerSecond(_ progress: MigrationProgress, at moment: Duration) -> Int {
        guard let start else { return 0 }
        let seconds = (moment - start.at) / Duration.seconds(1)
        return seconds > 0 ? Int(Double(progress.rows - start.rows) / seconds) : 0
    }

    private func secondsLeft(_ progress: MigrationProgress, rate: Int) -> Int? {
        guard let total = progress.total, rate > 0 else { return nil }
        return (max(total - progress.rows, 0) + rate - 1) / rate
    }

    private func bar(_ progress: MigrationProgress, rate: Int) -> String {
        var words = [progress.phase.rawValue]
        if let total = progress.total {
            let part = total > 0 ? min(Double(progress.rows) / Double(total), 1) : 1
            let filled = Int(part * Double(Self.barWidth))
            let marks = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.barWidth - filled)
            words += ["[\(marks)]", "\(Int(part * 100)) %", "\(progress.rows) of \(total) rows"]
        } else {
            words.append("\(progress.rows) rows")
        }
        words.append("\(rate)/s")
        if let left = secondsLeft(progress, rate: rate) {
            words.append("\(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left")
        }
        return "\r\u{1B}[K" + words.joined(separator: "  ")
    }

    private func json(_ progress: MigrationProgress, rate: Int) -> String {
        var members = ["\"phase\":\"\(progress.phase.rawValue)\"", "\"rows\":\(progress.rows)"]
        if let total = progress.total { members.append("\"total\":\(total)") }
        members.append("\"rows_per_second\":\(rate)")
        if let left = secondsLeft(progress, rate: rate) { members.append("\"seconds_left\":\(left)") }
        return "{" + members.joined(separator: ",") + "}\n"
    }
}
