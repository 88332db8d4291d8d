import ApusCore
import ApusEngine
import NIOCore

/// The engine inside this process, put to the work that needs no sockets.
final class EngineTrial: Trial {
    private let options: BenchOptions
    private let variant: Variant
    private let subject: EngineSubject
    private let limits: RawLimits
    private let space: KeySpace
    private let owners: [OwnerID]
    private let collections: [CollectionName]
    private let template: RequestTemplate
    private let value: Bytes
    private var generator: SeededGenerator
    private var written = 0

    init(options: BenchOptions, variant: Variant, subject: EngineSubject, limits: RawLimits) {
        self.options = options
        self.variant = variant
        self.subject = subject
        self.limits = limits
        space = options.space
        owners = (0..<options.users).map { OwnerID(stored: KeySpace.user($0)) }
        collections = (0..<max(10, options.collections)).map { CollectionName(stored: KeySpace.collection($0)) }
        var template = RequestTemplate()
        template.addValue(length: KeySpace.valueBytes)
        self.template = template
        value = Bytes(capacity: template.bytes.count)
        generator = SeededGenerator(seed: options.seed)
    }

    func rows(of work: Work) throws -> [Row] {
        switch work {
        case .load: return [row(work, try load(), unit: "rows/s")]
        case .upsert(let size):
            let measurements = try run(clients: 1) { self.randomBulk(size: size) }
            return [row(work, measurements, unit: "rows/s", raw: try limits.raw(for: work))]
        case .single(let clients):
            let measurements = try run(clients: clients) { self.randomWrite() }
            return [row(work, measurements, unit: "writes/s", raw: try limits.raw(for: work))]
        case .read(let clients):
            let measurements = try run(clients: clients) { self.randomRead() }
            return [row(work, measurements, unit: "reads/s", raw: try limits.raw(for: work))]
        case .list(let clients, let limit):
            var measurement = try run(clients: clients) { self.randomList(limit: limit) }
            measurement.amount = measurement.latencies.count
            return [row(work, measurement, unit: "lists/s", raw: try limits.raw(for: work))]
        case .mixed(let clients, _): return try mixed(clients: clients)
        case .resume(let sockets, let changes): return [try resume(clients: sockets, changes: changes)]
        case .fanOut, .fanOutBurst, .idle, .slow, .scopes:
            throw BenchError("there are no sockets in a process")
        }
    }

    private func load() throws -> Measurement {
        let perUser = space.collections * space.keys
        let size = space.loadSize
        var next = 0
        let load = EngineLoad(
            subject, clients: 4,
            sources: [
                (
                    1,
                    {
                        guard next < self.space.records else { return nil }
                        defer { next += size }
                        let first = next % perUser
                        return self.bulk(
                            owner: self.owners[next / perUser], records: (first..<(first + size)).map { $0 },
                            keys: self.space.keys)
                    }
                )
            ])
        let measurement = try load.runOut()
        guard measurement.amount == space.records else { throw BenchError("not every record was loaded") }
        return measurement
    }

    private func mixed(clients: Int) throws -> [Row] {
        let work = Work.mixed(clients: clients, listeners: 0)
        let load = EngineLoad(
            subject, clients: clients, seed: options.seed,
            sources: [
                (Mix.reads, { self.randomRead() }), (Mix.writes, { self.randomWrite() }),
                (Mix.lists, { self.randomList(limit: Mix.listLimit) }),
            ])
        let kinds = [("reads", "reads/s"), ("writes", "writes/s"), ("lists", "lists/s")]
        return zip(kinds, try load.run(warmUp: options.warmUp, seconds: options.seconds)).map { kind, outcome in
            var measurement = outcome
            measurement.amount = outcome.latencies.count
            return row(work, measurement, unit: kind.1, part: kind.0)
        }
    }

    private func resume(clients: Int, changes: Int) throws -> Row {
        let work = Work.resume(sockets: clients, changes: changes)
        let owner = OwnerID(stored: "back-\(changes)")
        let (space, total) = KeySpace.ofOneUser(changes: changes)
        let size = min(total, 1000)
        var next = 0
        let writing = EngineLoad(
            subject, clients: 1,
            sources: [
                (
                    1,
                    {
                        guard next < total else { return nil }
                        defer { next += size }
                        return self.bulk(owner: owner, records: (next..<(next + size)).map { $0 }, keys: space.keys)
                    }
                )
            ])
        _ = try writing.runOut()
        let after = SequenceNumber(Int64(total - changes))
        let query = ChangesQuery(
            owner: owner, scope: .everything, start: .position(ChangesPosition(after: after, baseline: .zero)),
            limit: changes)
        let measurement = try run(clients: clients) { EngineCall(question: .changes(query), units: changes) }
        return row(work, measurement, unit: "changes/s", raw: try limits.raw(for: work))
    }

    private func run(clients: Int, _ next: @escaping () -> EngineCall?) throws -> Measurement {
        let load = EngineLoad(subject, clients: clients, sources: [(1, next)])
        return try load.run(warmUp: options.warmUp, seconds: options.seconds)[0]
    }

    private func row(
        _ work: Work, _ measurement: Measurement, unit: String, part: String = "", raw: Double? = nil
    ) -> Row {
        var row = Row(variant: variant, work: work, part: part)
        row.amount = measurement.perSecond
        row.unit = unit
        row.measurement = measurement
        row.residentBytes = subject.residentBytes
        row.diskBytes = subject.folder.diskBytes
        row.raw = raw
        return row
    }
}

// MARK: - Calls

extension EngineTrial {
    private func randomRead() -> EngineCall {
        let address = RecordAddress(
            owner: owners[generator.next(below: owners.count)],
            collection: collections[generator.next(below: space.collections)],
            key: RecordKey(stored: KeySpace.key(generator.next(below: space.keys))))
        return EngineCall(question: .read(address), units: 1)
    }

    private func randomList(limit: Int) -> EngineCall {
        let query = ListQuery(
            owner: owners[generator.next(below: owners.count)],
            collection: collections[generator.next(below: space.collections)], after: nil, limit: limit)
        return EngineCall(question: .list(query), units: min(limit, space.keys))
    }

    private func randomWrite() -> EngineCall {
        let record = generator.next(below: space.collections * space.keys)
        return bulk(
            owner: owners[generator.next(below: owners.count)], records: [record], keys: space.keys, isBulk: false)
    }

    private func randomBulk(size: Int) -> EngineCall {
        let perUser = space.collections * space.keys
        let owner = owners[generator.next(below: owners.count)]
        let first = generator.next(below: perUser)
        let step = generator.shuffleStep(below: perUser)
        return bulk(owner: owner, records: (0..<size).map { (first + $0 * step) % perUser }, keys: space.keys)
    }

    /// The values share one buffer, as those of a request that came over the wire do.
    private func bulk(owner: OwnerID, records: [Int], keys: Int, isBulk: Bool = true) -> EngineCall {
        var values = ByteBufferAllocator().buffer(capacity: records.count * template.bytes.count)
        for _ in records {
            written += 1
            value.clear()
            template.write(to: value, collection: 0, key: 0, number: written)
            values.writeBytes(UnsafeBufferPointer(start: value.start, count: value.count))
        }
        let length = template.bytes.count
        let items = records.enumerated().map { place, record in
            let text = JSONText(validated: values.slice(place * length..<(place + 1) * length))
            return Result<WriteItem, ApusError>.success(
                WriteItem(
                    collection: collections[record / keys], key: RecordKey(stored: KeySpace.key(record % keys)),
                    operation: .set(text, .never)))
        }
        let origin = RequestOrigin(actor: "user:\(owner.text)", ip: "127.0.0.1", requestID: "bench")
        let request = WriteRequest(owner: owner, items: items, isBulk: isBulk, origin: origin)
        return EngineCall(question: .write(request), units: records.count)
    }
}
