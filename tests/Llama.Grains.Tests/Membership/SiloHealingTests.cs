using System.Diagnostics;
using Llama.Grains.Membership;
using Llama.Grains.Membership.Http;
using Llama.Grains.Tests.Membership.Http;
using Llama.Tests;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Llama.Grains.Tests.Membership;

/// <summary>
/// Real silos, each with a view of its own, and what they make of a document that is lost under them: within five seconds it has all of them
/// again, and none of them notices.
/// </summary>
public sealed class SiloHealingTests
{
    private const int Grains = 12;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Files_LostSetBackReplacedAndAway_HaveAllAgainAndNobodyChanges()
    {
        using var folder = new TemporaryFolder();
        string document = folder["root/llama"];
        await using Cluster cluster = await Cluster.StartAsync(ClusterAddress.Parse(folder["root"]), 3);

        Lose(document);
        await cluster.HealsAsync();

        // Back to the revision in which the first of them was alone.
        string[] revisions = [.. System.IO.Directory.GetFiles(document, "*.json").Order()];
        string first = revisions.First(file => MembershipState.TryParse(File.ReadAllText(file))!.Rows.Count < 3 || file == revisions[0]);
        foreach (string file in revisions.Where(file => string.CompareOrdinal(file, first) > 0)) File.Delete(file);
        await cluster.HealsAsync();

        MembershipState foreign = (MembershipState.None with
        {
            Version = 1000,
            // Orleans itself clears away what has been dead for long.
            Rows =
            [
                SiloRow.Of(LocalSilo.EntryOf(7, SiloStatus.Dead), null, new MembershipRealm(new MembershipSecrets()).Own)
                    .Dead(DateTimeOffset.UtcNow) with { Alive = DateTime.UtcNow, Started = DateTime.UtcNow },
            ],
        }).Next(DateTimeOffset.UtcNow);
        await cluster.ReplaceAsync(foreign);
        await cluster.HealsAsync();
        Assert.NotNull((await cluster.ReadAsync())!.Find(LocalSilo.AddressOf(7)));

        System.IO.Directory.Move(folder["root"], folder["away"]);
        await Task.Delay(TimeSpan.FromSeconds(3), Patience.Token);
        System.IO.Directory.CreateDirectory(folder["root"]);
        await cluster.HealsAsync();
    }

    [Fact]
    public async Task Files_LostWhileAFourthSiloStarts_HaveAllFour()
    {
        using var folder = new TemporaryFolder();
        ClusterAddress address = ClusterAddress.Parse(folder["root"]);
        await using Cluster cluster = await Cluster.StartAsync(address, 3);
        Task<TestSilo> starting = Task.Run(() => TestSilo.StartAsync("late", address));
        for (int moment = 0; moment < 5; moment++)
        {
            await Task.Delay(60, Patience.Token);
            Lose(folder["root/llama"]);
        }

        cluster.Add(await starting.Soon());
        await cluster.HealsAsync();
    }

    [Fact]
    public async Task Gateway_StartedAnewWithNothing_HasAllAgainAndNobodyChanges()
    {
        var secrets = new MembershipSecrets { Key = "the key of this cluster"u8.ToArray() };
        TestGateway gateway = await TestGateway.StartAsync(new MemoryDocument(), secrets.Key.ToArray());
        ClusterAddress address = ClusterAddress.Parse($"{gateway.Address}");
        await using Cluster cluster = await Cluster.StartAsync(address, 2, secrets);

        await gateway.DisposeAsync();
        Task<TestSilo> starting = Task.Run(() => TestSilo.StartAsync("late", address, secrets));
        await Task.Delay(TimeSpan.FromSeconds(1.5), Patience.Token);
        await using TestGateway next = await TestGateway.StartAsync(new MemoryDocument(), secrets.Key.ToArray(), port: gateway.Address.Port);

        cluster.Add(await starting.Soon());
        await cluster.HealsAsync();
    }

    [Fact]
    public async Task Etcd_BackWithoutItsData_HasAllAgainAndNobodyChanges()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using Cluster cluster = await Cluster.StartAsync(ClusterAddress.Parse(etcd.Address()), 2);

        etcd.Kill();
        etcd.Forget();
        await Task.Delay(TimeSpan.FromSeconds(1), Patience.Token);
        await etcd.StartAsync();

        await cluster.HealsAsync();
    }

    [Fact]
    public async Task Start_RowsOfAProcessOfThisMachineThatIsGone_DoNotDelayIt()
    {
        using var folder = new TemporaryFolder();
        ProcessMark gone;
        using (Process process = Process.Start("sleep", "60"))
        {
            gone = ProcessMark.Of(process.Id)!;
            process.Kill();
            process.WaitForExit();
        }

        System.IO.Directory.CreateDirectory(folder["root/llama"]);
        MembershipState before = (MembershipState.None with
        {
            Rows = [.. Enumerable.Range(1, 3).Select(number => SiloRow.Of(LocalSilo.EntryOf(number), gone, new MembershipRealm(new MembershipSecrets()).Own) with { Alive = DateTime.UtcNow })],
        }).Next(DateTimeOffset.UtcNow).WrittenBy("before");
        await File.WriteAllTextAsync(folder["root/llama/000000000001.json"], before.ToText(), Patience.Token);

        long start = Stopwatch.GetTimestamp();
        await using Cluster cluster = await Cluster.StartAsync(ClusterAddress.Parse(folder["root"]), 1);

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        MembershipState after = (await cluster.ReadAsync())!;
        Assert.Equal(3, after.Rows.Count(row => row.Status == SiloStatus.Dead));
    }

    [Fact]
    public async Task Client_OfTheSameConfiguration_CallsAGrain()
    {
        using var folder = new TemporaryFolder();
        ClusterAddress address = ClusterAddress.Parse(folder["root"]);
        await using Cluster cluster = await Cluster.StartAsync(address, 1);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(address.ToConfiguration());
        builder.UseOrleansClient();
        using IHost client = builder.Build();
        await client.StartAsync(Patience.Token).Soon();

        string where = await client.Services.GetRequiredService<IClusterClient>().GetGrain<IWhereGrain>("0").WhereAsync().Soon();

        Assert.Equal(cluster.Activations[0], where);
        await client.StopAsync(Patience.Token);
    }

    /// <summary>Loses a document at once, also while it is written; it may be lost already.</summary>
    private static void Lose(string document)
    {
        string lost = $"{document}.lost";
        if (System.IO.Directory.Exists(document)) System.IO.Directory.Move(document, lost);
        if (System.IO.Directory.Exists(lost)) System.IO.Directory.Delete(lost, recursive: true);
    }

    /// <summary>Silos, and what they were when they had all joined.</summary>
    private sealed class Cluster : IAsyncDisposable
    {
        private readonly List<TestSilo> silos = [];
        private readonly IMembershipDocument document;
        private bool hasGrown;

        private Cluster(IMembershipDocument document) => this.document = document;

        public IReadOnlyList<string> Activations { get; private set; } = [];

        public static async Task<Cluster> StartAsync(ClusterAddress address, int silos, MembershipSecrets? secrets = null)
        {
            var cluster = new Cluster(Documents.Open(address, secrets));

            // So that nobody waits for one.
            if (await cluster.ReadAsync() is null) await cluster.ReplaceAsync(MembershipState.None.Next(DateTimeOffset.UtcNow));
            cluster.silos.AddRange(await Task.WhenAll(Enumerable.Range(1, silos).Select(
                number => TestSilo.StartAsync($"silo-{number}", address, secrets))));
            await Patience.UntilAsync(() => cluster.silos.All(cluster.SeesAll), () => "not all see all");
            cluster.Activations = await cluster.AskAsync();
            return cluster;
        }

        public void Add(TestSilo silo)
        {
            hasGrown = true;
            silos.Add(silo);
        }

        /// <summary>What the document says.</summary>
        public async Task<MembershipState?> ReadAsync() =>
            (await document.ReadAsync(Patience.Token)).Text is { } text ? MembershipState.TryParse(text) : null;

        /// <summary>Writes another document in its place.</summary>
        public async Task ReplaceAsync(MembershipState state)
        {
            string id = MembershipState.NewId();
            string text = state.WrittenBy(id).ToText();
            while (!await document.TryWriteAsync(text, (await document.ReadAsync(Patience.Token)).Revision, id, Patience.Token))
            {
                // A silo has written.
            }
        }

        /// <summary>Within five seconds the document has all silos as active, and each silo and grain is what it was.</summary>
        public async Task HealsAsync()
        {
            long start = Stopwatch.GetTimestamp();
            while (!silos.All(SeesAll) || await ReadAsync() is not { } state || !silos.All(silo => state.Find(silo.Address)?.Status == SiloStatus.Active))
            {
                Assert.All(silos, silo => Assert.False(silo.Ended.IsCompleted, silo.Ended.IsCompleted ? silo.Ended.Result : null));
                Assert.True(Stopwatch.GetElapsedTime(start) < Deadline, "not healed in time");
                await Task.Delay(20, Patience.Token);
            }

            // Where a silo joins, Orleans' default directory hands its entries over, and may activate a grain anew.
            IReadOnlyList<string> now = await AskAsync();
            if (!hasGrown) Assert.Equal(Activations, now);
            Assert.All(silos, silo => Assert.False(silo.Ended.IsCompleted));
        }

        public async ValueTask DisposeAsync()
        {
            foreach (TestSilo silo in silos) await silo.DisposeAsync();
            document.Dispose();
        }

        private bool SeesAll(TestSilo silo) => silo.Active.ToHashSet().SetEquals(silos.Select(one => one.Address));

        private async Task<IReadOnlyList<string>> AskAsync() => await Task.WhenAll(
            Enumerable.Range(0, Grains).Select(number => silos[number % silos.Count].Grains.GetGrain<IWhereGrain>($"{number}").WhereAsync().Soon()));
    }
}
