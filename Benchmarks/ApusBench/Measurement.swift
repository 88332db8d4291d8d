/// What was counted between two moments, and what it cost.
struct Measurement {
    var amount = 0
    var latencies = Latencies()
    var seconds = 0.0
    var serverProcessorSeconds = 0.0
    var clientProcessorSeconds = 0.0
    /// Sockets that were ready when this program looked, on average.
    var readyPerWait = 0.0

    /// Whether this program may have been what set the figure: it had its core full and work waiting at every look.
    ///
    /// A full core alone says little: who keeps up with a fast server looks often and finds little each time.
    var isClientBound: Bool { clientProcessorSeconds > 0.9 * seconds && readyPerWait > 16 }

    /// Whether nothing moved for a quarter of the time or longer, so that the figure is one of the machine's.
    var hasStoodStill: Bool { amount == 0 || Double(latencies.maximum) / 1e9 > seconds / 4 }

    var perSecond: Double { seconds > 0 ? Double(amount) / seconds : 0 }
}

/// What is measured: a server, or the engine inside this process.
protocol Subject: AnyObject {
    /// Where it keeps its files.
    var folder: Folder { get }

    /// Its CPU time so far, in seconds.
    var processorSeconds: Double { get }

    /// The CPU time so far of what asks it, in seconds.
    var clientProcessorSeconds: Double { get }

    /// Memory of its process that is resident now.
    var residentBytes: Int { get }
}

/// Reads the clocks when a measurement begins and when it ends.
struct Meter {
    private let subject: any Subject
    private let poller: Poller?
    private let startedAt = Moment.now
    private let serverSeconds: Double
    private let clientSeconds: Double
    private let waits: Int
    private let readySockets: Int

    init(_ subject: any Subject, _ poller: Poller? = nil) {
        self.subject = subject
        self.poller = poller
        waits = poller?.waits ?? 0
        readySockets = poller?.readySockets ?? 0
        serverSeconds = subject.processorSeconds
        clientSeconds = subject.clientProcessorSeconds
    }

    func measurement(amount: Int, latencies: Latencies) -> Measurement {
        let ready = (poller?.readySockets ?? 0) - readySockets
        return Measurement(
            amount: amount,
            latencies: latencies,
            seconds: Double(Moment.now - startedAt) / 1e9,
            serverProcessorSeconds: subject.processorSeconds - serverSeconds,
            clientProcessorSeconds: subject.clientProcessorSeconds - clientSeconds,
            readyPerWait: Double(ready) / Double(max(1, (poller?.waits ?? 0) - waits)))
    }
}

/// Ends a wait for a server that is gone or stuck.
struct Watch {
    private static let silenceSecondsMax = 30.0

    private let server: ServerProcess
    private var lastProgress = Moment.now

    init(_ server: ServerProcess) {
        self.server = server
    }

    /// To be told when something came.
    mutating func progress(at now: Moment) {
        lastProgress = now
    }

    /// To be called when nothing came; throws when the server has ended or was silent for 30 s.
    func idle(at now: Moment, waitingFor what: String) throws {
        try server.checkAlive()
        guard now < lastProgress.after(seconds: Self.silenceSecondsMax) else {
            throw BenchError("nothing came for 30 s while waiting for \(what). The log:\n\(server.lastWords)")
        }
    }
}
