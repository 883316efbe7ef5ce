using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Gateway.Tests;

public sealed class EmbeddedSiloTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task StayAsync_LeaseEnded_JoinsAgain()
    {
        var time = new ManualTime();
        using var embedded = new EmbeddedDirectory(time);
        var directory = new KnownLeases(embedded);
        await using var silo = new EmbeddedSilo(Settings(), directory, time, NullLoggerFactory.Instance);
        Assert.Equal("embedded", Assert.Single(directory.View.Members).Name);

        Assert.Single(directory.Leases).Dispose();
        DirectoryView without = directory.View;
        Assert.Empty(without.Members);
        time.Advance(DirectoryLinks.HeartbeatInterval);

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
    };

    /// <summary>A directory whose leases a test can end, as if they had not been renewed in time.</summary>
    private sealed class KnownLeases(IDirectory directory) : IDirectory
    {
        public List<ILease> Leases { get; } = [];

        public DirectoryView View => directory.View;

        public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
            directory.WaitForChangeAsync(version, cancellationToken);

        public ILease Join(Member member)
        {
            Leases.Add(directory.Join(member));
            return Leases[^1];
        }
    }
}
