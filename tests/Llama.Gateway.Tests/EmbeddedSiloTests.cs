using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Gateway.Tests;

public sealed class EmbeddedSiloTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task StayAsync_LeaseEnded_JoinsAgain()
    {
        using var embedded = new EmbeddedDirectory(new ManualTime());
        var directory = new KnownLeases(embedded);
        await using var silo = new EmbeddedSilo(Settings(), directory, NullLoggerFactory.Instance);
        DirectoryView joined = await directory.WaitForChangeAsync(0, TestContext.Current.CancellationToken)
            .WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.Equal("embedded", Assert.Single(joined.Members).Name);

        Assert.Single(directory.Leases).Dispose();
        DirectoryView without = await directory.WaitForChangeAsync(joined.Version, TestContext.Current.CancellationToken);
        Assert.Empty(without.Members);

        DirectoryView again = await directory.WaitForChangeAsync(without.Version, TestContext.Current.CancellationToken)
            .WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.Equal("embedded", Assert.Single(again.Members).Name);
    }

    private static SiloSettings Settings() => new()
    {
        Identity = new LinkIdentity { Name = "embedded", Fingerprint = "f00d", ContextLength = 256 },
        OpenCheckpoint = () => Checkpoint.Open(TestPaths.TinyStories, new CheckpointOptions()),
        Profile = "test",
        Threads = 1,
        Rates = new MachineRates(8e9, 5e10),
    };

    /// <summary>A directory whose leases a test can end, as if they had not been renewed in time.</summary>
    private sealed class KnownLeases(IDirectory directory) : IDirectory
    {
        public List<ILease> Leases { get; } = [];

        public DirectoryView View => directory.View;

        public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
            directory.WaitForChangeAsync(version, cancellationToken);

        public ILease Grant()
        {
            Leases.Add(directory.Grant());
            return Leases[^1];
        }

        public bool TryPut(string key, string value, long revision, long lease, out DirectoryEntry? present) =>
            directory.TryPut(key, value, revision, lease, out present);
    }
}
