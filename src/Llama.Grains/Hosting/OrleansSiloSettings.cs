using System.Net;
using Llama.Grains.Certificates;
using Microsoft.Extensions.Configuration;

namespace Llama.Grains.Hosting;

/// <summary>What a process is as an Orleans silo, in all its incarnations.</summary>
public sealed record OrleansSiloSettings
{
    /// <summary>The silo's name, which no other silo of the cluster has.</summary>
    public required string Name { get; init; }

    /// <summary>What the silo is for (<see cref="RolePlacementAttribute"/>, <see cref="SiloMember.Role"/>).</summary>
    public required string Role { get; init; }

    /// <summary>Version of the program, as the others see it.</summary>
    public required string Version { get; init; }

    /// <summary>
    /// Configuration of the process. Its section <c>Orleans</c> says which cluster this is (<c>ClusterId</c>, <c>ServiceId</c>) and where
    /// the membership table lies (<c>Clustering</c>).
    /// </summary>
    public required IConfiguration Configuration { get; init; }

    /// <summary>The address that the other silos and the clients reach this one at.</summary>
    public IPAddress AdvertisedAddress { get; init; } = IPAddress.Loopback;

    /// <summary>The address to listen on; null for the advertised one. Without a key it must be loopback.</summary>
    public IPAddress? ListenAddress { get; init; }

    /// <summary>Port for the other silos; 0 for any free one, which it then keeps.</summary>
    public int SiloPort { get; init; }

    /// <summary>Port for clients of the cluster; 0 for any free one, which it then keeps; null for a silo that takes none.</summary>
    public int? ClientPort { get; init; }

    /// <summary>The cluster key; empty when none is set, which only loopback allows.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>What it shows on TLS, which both ports then demand; null for connections without TLS.</summary>
    public ProcessCertificate? Certificate { get; init; }

    /// <summary>
    /// How long a call of a grain may take. A client that waits for a silo which dies waits that long, so clients and silos of a cluster
    /// have the same.
    /// </summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Ends when the membership table can be read, or fails when it cannot now; then it is called again. A silo that started while its
    /// table is away would fail, which Orleans does not bear well.
    /// </summary>
    public Func<CancellationToken, Task> WaitForStore { get; init; } = _ => Task.CompletedTask;

    /// <summary>
    /// Adds services and grain classes to each incarnation. What outlives an incarnation is added as an instance: a host disposes of what
    /// it has made.
    /// </summary>
    public Action<ISiloBuilder> Configure { get; init; } = _ => { };
}
