/// What is left of the requests that somebody may make, which come back evenly over a minute.
public struct Allowance: Hashable, Sendable {
    /// How many a minute, and at most at once.
    public var perMinute: Int
    public var left: Int
    /// Until all of them may be made again.
    public var secondsToFull: Int

    public init(perMinute: Int, left: Int, secondsToFull: Int) {
        self.perMinute = perMinute
        self.left = left
        self.secondsToFull = secondsToFull
    }
}
