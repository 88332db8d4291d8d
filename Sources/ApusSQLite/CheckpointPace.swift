/// Decides when the writer copies its log into the database: often and little, so that no commit waits long for it.
struct CheckpointPace {
    enum Mode {
        /// Copies what can be copied without waiting.
        case passive
        /// Waits for readers, so that the next commit starts the log anew.
        case restart
        /// The same, and makes the log empty.
        case truncate
    }

    private let pagesPerCheckpoint: Int32
    private let logPagesMax: Int32
    private var pagesAtCheckpoint: Int32 = 0

    init(pagesPerCheckpoint: Int32 = Schema.pagesPerCheckpoint, logPagesMax: Int32 = Schema.logPagesMax) {
        self.pagesPerCheckpoint = pagesPerCheckpoint
        self.logPagesMax = logPagesMax
    }

    /// What is due with a log of `pagesInLog` pages; the caller is taken to do it.
    mutating func due(pagesInLog: Int32) -> Mode? {
        // A shorter log is another log: the writer has started anew.
        if pagesInLog < pagesAtCheckpoint { pagesAtCheckpoint = 0 }
        guard pagesInLog - pagesAtCheckpoint >= pagesPerCheckpoint else { return nil }
        pagesAtCheckpoint = pagesInLog
        return pagesInLog > logPagesMax ? .restart : .passive
    }
}
