namespace Llama.Grains.Directory;

/// <summary>A silo, as the others know it.</summary>
public sealed record Member
{
    /// <summary>Unique name in the cluster.</summary>
    public required string Name { get; init; }

    /// <summary>Where its links listen, <c>host:port</c>, as others reach it.</summary>
    public required string Address { get; init; }

    /// <summary>Process id on its machine.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Compute threads: its speed, relative to others.</summary>
    public required int Threads { get; init; }

    /// <summary>Bytes of memory that weights and KV may take.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>The numeric profile that it computes in; all stages of a pipeline have the same.</summary>
    public required string Profile { get; init; }

    /// <summary>The newest plan that it has had a place in; later plans have higher epochs, also those of a restarted gateway.</summary>
    public required ulong LastEpoch { get; init; }
}

/// <summary>The members at one moment.</summary>
/// <param name="Version">Grows with every change.</param>
/// <param name="Members">Who is alive, by name.</param>
public sealed record DirectoryView(long Version, IReadOnlyList<Member> Members);

/// <summary>Who is alive.</summary>
public interface IDirectory
{
    /// <summary>The members now.</summary>
    DirectoryView View { get; }

    /// <summary>Waits until the view is newer than a version.</summary>
    /// <param name="version">The version that the caller knows.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken);

    /// <summary>Adds a member until its lease ends.</summary>
    /// <exception cref="DirectoryException">A member of this name is alive.</exception>
    ILease Join(Member member);
}

/// <summary>A member's presence: it ends when disposed of, or when it was not renewed in time.</summary>
public interface ILease : IDisposable
{
    /// <summary>Whether it has ended.</summary>
    bool Ended { get; }

    /// <summary>Puts its end off; false when it has already ended.</summary>
    bool Renew();
}

/// <summary>The directory refuses.</summary>
public sealed class DirectoryException : Exception
{
    /// <summary>The directory refuses.</summary>
    /// <param name="message">Why.</param>
    public DirectoryException(string message)
        : base(message)
    {
    }
}
