using Llama.Grains.Settings;

namespace Llama.Grains.Directory;

/// <summary>A silo, as the others know it.</summary>
public sealed record Member
{
    private const int MaxNameLength = 256;

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

    /// <summary>Bytes of that memory which a log of hidden states may take; 0 for none.</summary>
    public long LogMemoryBytes { get; init; }

    /// <summary>The numeric profile that it computes in; all stages of a pipeline have the same.</summary>
    public required string Profile { get; init; }

    /// <summary>The newest plan that it has had a place in; later plans have higher epochs, also those of a restarted gateway.</summary>
    public required ulong LastEpoch { get; init; }

    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    internal string? Fault() =>
        Name is not { Length: > 0 and <= MaxNameLength } ? $"A silo's name has {Name.Length} characters; expected 1 to {MaxNameLength}."
        : !HostPort.TryParse(Address, out HostPort address) || address.Port is null
            ? $"Silo '{Name}' is at '{Address}'; expected host:port."
        : Threads < 1 ? $"Silo '{Name}' has {Threads} threads; expected at least 1."
        : MemoryBytes < 1 ? $"Silo '{Name}' has {MemoryBytes} bytes of memory; expected at least 1."
        : LogMemoryBytes < 0 ? $"Silo '{Name}' has {LogMemoryBytes} bytes of memory for a log; expected 0 or more."
        : null;
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
    /// <exception cref="DirectoryException">A member of this name is alive, or what the member says of itself cannot be.</exception>
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
