/// One line of the result: one kind of work, or a part of it, by one storage.
struct Row {
    let variant: Variant
    /// The same for all that may be compared with it.
    let work: String
    /// What does this work alone.
    let command: String
    /// The figure itself, in `unit`.
    var amount = 0.0
    var unit = ""
    /// What it was computed from; none for a size or a failure.
    var measurement: Measurement?
    /// Of the server, after the work.
    var residentBytes = 0
    /// Of the server's folder, after the work.
    var diskBytes = 0
    /// The same work without our code, in `unit`.
    var raw: Double?
    /// 4 KiB appends with `fdatasync` a second on the same disk, just before.
    var rawSyncs: Double?
    /// Why there is no figure.
    var failure: String?
    /// Whether the server does not know the storage, so that there is nothing to measure and nothing went wrong.
    var isUnavailable = false

    /// `part` tells rows of one work apart.
    init(variant: Variant, work: Work, part: String = "") {
        self.variant = variant
        self.work = part.isEmpty ? work.name : "\(work.name): \(part)"
        command = work.command
    }

    /// For what is no work, such as the server's start.
    init(variant: Variant, failing step: String, _ failure: String) {
        self.variant = variant
        work = step
        command = ""
        self.failure = failure
    }

    /// Decimal places that mean something in the figure.
    var places: Int {
        switch unit {
        case "x": 2
        case "sockets": 0
        default: amount < 100 ? 1 : 0
        }
    }

    /// How much of the raw limit was reached.
    var shareOfRaw: Double? { raw.flatMap { $0 > 0 ? amount / $0 : nil } }
}

/// Rows side by side: those of one work together, in the order the works were first done.
struct Comparison {
    let rows: [Row]
    /// What the others are compared with.
    let baseline: Variant?
    let isComparing: Bool

    init(_ all: [Row]) {
        let measured = all.filter { $0.failure == nil }
        var works: [String] = []
        for row in measured where !works.contains(row.work) { works.append(row.work) }
        rows = works.flatMap { work in measured.filter { $0.work == work } }
        baseline = measured.first?.variant
        isComparing = Set(measured.map(\.variant)).count > 1
    }

    /// The row's figure, as a multiple of what the baseline did at the same work.
    func ratio(_ row: Row) -> Double? {
        let base = rows.first { $0.work == row.work && $0.variant == baseline }
        guard let base, base.amount > 0, base.variant != row.variant else { return nil }
        return row.amount / base.amount
    }
}

/// A number in decimal notation, rounded to so many places.
func decimal(_ number: Double, places: Int) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((abs(number) * Double(scale)).rounded())
    let sign = number < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + String(scaled) }
    let digits = String(scaled % scale)
    return sign + String(scaled / scale) + "." + String(repeating: "0", count: places - digits.count) + digits
}
