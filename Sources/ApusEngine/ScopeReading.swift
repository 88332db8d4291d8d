import ApusCore

extension StorageReader {
    /// A page of the query's scope; `reached` may be past records outside of it.
    func changes(
        of query: ChangesQuery, after: SequenceNumber, bytesMax: Int, liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        if case .key(let collection, let key) = query.scope {
            let address = RecordAddress(owner: query.owner, collection: collection, key: key)
            return try change(at: address, after: after, liveAt: moment)
        }
        var page = try changes(
            owner: query.owner, collection: query.scope.collection, after: after, limit: query.limit,
            bytesMax: bytesMax, liveAt: moment)
        if case .prefix = query.scope { page.records.removeAll { !query.scope.contains($0.address) } }
        return page
    }

    private func change(
        at address: RecordAddress, after: SequenceNumber, liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        try snapshot { () throws(ApusError) in
            let state = try ownerState(address.owner)
            let record = try record(at: address)
            let isNew = record.map { $0.sequence > after && !$0.isExpired(at: moment) } ?? false
            return ChangesPage(
                records: isNew ? record.map { [$0] } ?? [] : [],
                reached: ChangesPosition(after: state.lastSequence, baseline: state.purgedThrough), hasMore: false)
        }
    }
}
