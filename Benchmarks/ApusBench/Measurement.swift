/// What was counted between two moments, and what it cost.
struct Measurement {
    var amount = 0
    var latencies = Histogram()
    var seconds = 0.0
    var serverProcessorSeconds = 0.0
    var clientProcessorSeconds = 0.0
    /// Sockets that were ready when this program looked, on average.
    var readyPerWait = 0.0

    /// Whether this program may have been what set the figure: it had its core full and work waiting at every look.
    ///
    /// A full core alone says little: who keeps up with a fast server looks often and finds little each time.
    var isClientBound: Bool { clientProcessorSeconds > 0.9 * seconds && readyPerWait > 16 }

    var perSecond: Double { seconds > 0 ? Double(amount) / seconds : 0 }
}

/// Reads the clocks when a measurement begins and when it ends.
struct Meter {
    private let server: ServerProcess
    private let poller: Poller
    private let startedAt = Moment.now
    private let serverSeconds: Double
    private let clientSeconds = Moment.processorSeconds
    private let waits: Int
    private let readySockets: Int

    init(_ server: ServerProcess, _ poller: Poller) {
        self.server = server
        self.poller = poller
        waits = poller.waits
        readySockets = poller.readySockets
        serverSeconds = server.processorSeconds
    }

    func measurement(amount: Int, latencies: Histogram) -> Measurement {
        Measurement(
            amount: amount,
            latencies: latencies,
            seconds: Double(Moment.now - startedAt) / 1e9,
            serverProcessorSeconds: server.processorSeconds - serverSeconds,
            clientProcessorSeconds: Moment.processorSeconds - clientSeconds,
            readyPerWait: Double(poller.readySockets - readySockets) / Double(max(1, poller.waits - waits)))
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
