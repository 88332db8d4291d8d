import ApusCore
import NIOCore

/// Everyone on one event loop who is told of one owner in one form, by what they are told.
///
/// A change costs what its subscribers cost: those of other scopes are not looked at.
final class OwnerFeeds {
    /// The owner's last change that was told here, whatever its scope.
    private(set) var published = SequenceNumber.zero
    private var feeds: [Set<StreamScope>: OwnerFeed] = [:]
    private var index = ScopeIndex<OwnerFeed>()

    var isEmpty: Bool { feeds.isEmpty }
    var bytesHeld: Int { feeds.values.reduce(0) { $0 + $1.bytesHeld } }

    /// Lets the subscriber, who may be in another feed here until now, see what comes for `scopes`.
    func join(_ subscriber: Subscriber, scopes: Set<StreamScope>) {
        guard subscriber.feed?.scopes != scopes else { return }
        let feed = feeds[scopes] ?? OwnerFeed(scopes: scopes)
        if feeds.updateValue(feed, forKey: scopes) == nil { index.insert(feed, for: scopes) }
        let (old, place) = (subscriber.feed, subscriber.cursor)
        feed.join(subscriber)
        subscriber.feed = feed
        if let old { leave(subscriber, old, at: place) }
    }

    func leave(_ subscriber: Subscriber) {
        guard let feed = subscriber.feed else { return }
        subscriber.feed = nil
        leave(subscriber, feed, at: subscriber.cursor)
    }

    private func leave(_ subscriber: Subscriber, _ feed: OwnerFeed, at place: FeedCursor) {
        feed.leave(subscriber, at: place)
        guard feed.isEmpty else { return }
        feeds[feed.scopes] = nil
        index.remove(feed, for: feed.scopes)
    }

    /// Tells events. First every feed has them, and only then anyone takes them, for who takes may change feeds.
    func deliver(_ runs: [MarkedRun]) {
        var touched: [ObjectIdentifier: OwnerFeed] = [:]
        for marked in runs {
            if let last = marked.run.last { published = max(published, last) }
            for (feed, bytes) in share(marked) {
                feed.append(bytes)
                touched[ObjectIdentifier(feed)] = feed
            }
        }
        for feed in touched.values { feed.pump() }
    }

    /// Tells everyone, whatever their scopes.
    func broadcast(_ bytes: ByteBuffer) {
        let everyone = Array(feeds.values)
        for feed in everyone { feed.append(FeedRun(last: nil, bytes: bytes)) }
        for feed in everyone { feed.pump() }
    }

    /// Who is told what of a run: the whole of it, or the events of their scopes.
    private func share(_ marked: MarkedRun) -> [(OwnerFeed, FeedRun)] {
        let whole = index.everything.map { ($0, marked.run) }
        guard index.hasParts else { return whole }
        var parts: [ObjectIdentifier: (feed: OwnerFeed, part: RunPart)] = [:]
        for mark in marked.marks {
            index.forEachPart(containing: mark.address) { feed in
                parts[ObjectIdentifier(feed), default: (feed, RunPart())].part.add(mark)
            }
        }
        return whole + parts.values.map { ($0.feed, $0.part.cut(from: marked.run)) }
    }

    func trim() {
        for feed in feeds.values { feed.trim() }
    }

    func closeLaggards() {
        for feed in Array(feeds.values) { feed.closeLaggards() }
    }
}

/// Some of the events of a run.
private struct RunPart {
    private var ranges: [Range<Int>] = []
    private var last: SequenceNumber?
    private var changeCount = 0

    /// Adds the next event; one that was added already, for another scope of the same subscribers, stays one.
    mutating func add(_ mark: MarkedRun.Mark) {
        guard last != mark.sequence else { return }
        last = mark.sequence
        changeCount += 1
        if let before = ranges.last, before.upperBound == mark.range.lowerBound {
            ranges[ranges.count - 1] = before.lowerBound..<mark.range.upperBound
        } else {
            ranges.append(mark.range)
        }
    }

    func cut(from run: FeedRun) -> FeedRun {
        let byteCount = ranges.reduce(0) { $0 + $1.count }
        // A slice keeps all of the run in memory.
        if ranges.count == 1, byteCount > run.bytes.readableBytes / 2 {
            return FeedRun(last: last, bytes: run.bytes.slice(ranges[0]), changeCount: changeCount)
        }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(byteCount)
        for range in ranges { bytes.writeImmutableBuffer(run.bytes.slice(range)) }
        return FeedRun(last: last, bytes: bytes, changeCount: changeCount)
    }
}
