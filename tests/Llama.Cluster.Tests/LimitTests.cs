using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Llama.Bench.Processes;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Model.Machine;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Processes that the system gives little: none is ended by that, or each says what it needs when it cannot start.</summary>
public sealed class LimitTests
{
    private const int FewDescriptors = 300;
    private const int ManyConnections = 400;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly GoldenTokens Golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];

    public LimitTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs ulimit and /proc");

    [Fact]
    public async Task Connect_MoreThanThereAreDescriptors_StreamsGoOnAndOthersAreServedAfterwards()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 0) { Around = command => Limits.Descriptors(command, FewDescriptors) };
        RunningProgram gateway = cluster.StartGateway();
        await cluster.ReadyAsync();
        Assert.Contains($"this process may have {FewDescriptors} descriptors (ulimit -n)", gateway.Output, StringComparison.Ordinal);
        using (HttpResponseMessage metrics = await cluster.Client.Http.GetAsync("/metrics", TestContext.Current.CancellationToken))
            Assert.Equal(HttpStatusCode.NotFound, metrics.StatusCode);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        await ConnectAsync(cluster.Client.Http.BaseAddress!.Port, async idle =>
        {
            Assert.InRange(await idle.CountOpenAsync(), 1, FewDescriptors);
            await streams.EndedAsync();
        });

        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.True(ProcessTable.IsAlive(gateway.Id));
        await cluster.ReadyAsync();
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
    }

    [Fact]
    public async Task Connect_MoreThanASiloHasDescriptors_NoProcessEnds()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 1) { Around = command => Limits.Descriptors(command, FewDescriptors) };
        cluster.StartGateway();
        RunningProgram silo = cluster.StartSilo(1);
        await cluster.ReadyAsync();
        string address = (await cluster.Client.StagesAsync())[0].Address;

        await ConnectAsync(cluster.Client.Http.BaseAddress!.Port, _ =>
            ConnectAsync(int.Parse(address.Split(':')[1]), async links => Assert.InRange(await links.CountOpenAsync(), 1, FewDescriptors)));

        await cluster.ReadyAsync();
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
        Assert.True(ProcessTable.IsAlive(silo.Id));
    }

    [Fact]
    public async Task Serve_AppHostMayHaveFewDescriptors_AnswersWithoutDashboard()
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync(command => Limits.Descriptors(command, FewDescriptors));
        Assert.Equal(Golden.Greedy, await appHost.Client.CompleteAsync(Golden.Request));
        Assert.DoesNotContain(ProcessTable.OfAppHost(appHost.Id), id => ProcessTable.Runs(id, "Aspire.Dashboard"));
        Assert.Contains(
            $"may have {FewDescriptors} descriptors (ulimit -n): the dashboard, with which it needs 512, stays off.", appHost.Output,
            StringComparison.Ordinal);
        ProcessTable.Signal(appHost.Id, "TERM");
        Assert.Equal(0, await appHost.ExitsAsync(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task Start_AppHostMayHaveTooFewDescriptors_SaysHowManyAspireNeeds()
    {
        using var appHost = new RunningProgram(Limits.Descriptors(ChildCommand.ForProgram("apphost", "Llama.AppHost", ["--port=0"]), 250));

        Assert.Equal(1, await appHost.ExitsAsync(Deadline));
        Assert.Contains("may have 250 descriptors (ulimit -n); Aspire needs 280", appHost.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(140)]
    [InlineData(160)]
    [InlineData(240)]
    public async Task Start_TooFewDescriptors_EachProgramSaysHowManyItNeedsOrRuns(int limit)
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 0) { Around = command => Limits.Descriptors(command, limit) };
        RunningProgram gateway = cluster.StartGateway();
        RunningProgram silo = cluster.StartSilo(1);
        Assert.Equal(1, await gateway.ExitsAsync(Deadline));
        AssertNames("Llama.Gateway", gateway);
        if (limit >= 200) await silo.SaysAsync("At most about ", Deadline);
        else Assert.Equal(1, await silo.ExitsAsync(Deadline));
        if (limit < 200) AssertNames("Llama.Silo", silo);

        void AssertNames(string name, RunningProgram program) => Assert.Matches(
            $@"{name} cannot start: This process may have {limit} descriptors \(ulimit -n\), .* so a limit of \d+ or more\.", program.Output);
    }

    [Fact]
    public async Task Start_TooFewThreads_SaysWhichLimitIsReached()
    {
        using var threads = new Limits.Threads(24);
        using var cluster = new TestCluster(TestPaths.TinyStories, 0) { Around = threads.Around };
        RunningProgram gateway = cluster.StartGateway();
        Assert.Equal(1, await gateway.ExitsAsync(Deadline));
        Assert.Contains("Llama.Gateway cannot start: Of ", cluster.Output, StringComparison.Ordinal);
        Assert.Contains("limit of threads", cluster.Output, StringComparison.Ordinal);
    }

    /// <summary>What the system tells of itself is missing: as under systemd's ProcSubset=pid, and where there is no /sys.</summary>
    [Theory]
    [InlineData("mount -t proc -o subset=pid proc /proc")]
    [InlineData("mount -t tmpfs none /sys")]
    [InlineData("mount --bind / / && mount -o remount,ro,bind /")]
    public async Task Serve_LittleOfTheSystemIsThere_AnswersAsEver(string mount)
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 1) { Around = command => Limits.Mounts(command, mount) };

        // Nothing can be written, so the document is in the gateway's memory.
        cluster.StartGateway("--cluster=memory");
        cluster.StartThroughGateway(1);
        await cluster.ReadyAsync();
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));

        // Weights move to faster memory while there is nothing to do, and that asks how much there is.
        await Task.Delay(TimeSpan.FromSeconds(1.5), TestContext.Current.CancellationToken);
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
        Assert.Equal(1ul, (await cluster.Client.StatusAsync()).Epoch);
    }

    [Fact]
    public async Task Plan_SilosOfOneMachine_ShareItsMemory()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 3);
        cluster.StartGateway();
        cluster.StartSilo(1, "--memory=1GiB");
        cluster.StartSilo(2);
        cluster.StartSilo(3);
        await cluster.ReadyAsync();
        ClusterPlan plan = (await cluster.Client.Http.GetFromJsonAsync<ClusterPlan>("/cluster/plan", TestContext.Current.CancellationToken))!;
        long[] memory = [.. Assert.Single(plan.Pipelines).Stages.OrderBy(stage => stage.Silo, StringComparer.Ordinal).Select(stage => stage.MemoryBytes)];
        Assert.Equal(1L << 30, memory[0]);
        Assert.Equal(memory[1], memory[2]);
        Assert.Equal((MachineMemory.Limit - (1L << 30)) / 2, memory[1]);
    }

    [Fact]
    public async Task Serve_AppHostWritesToAFullDisk_AnswersAsEver()
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync(Limits.FullDisk, waits: false);
        await appHost.Client.ReadyAsync(() => "the disk is full");
        Assert.Equal(Golden.Greedy, await appHost.Client.CompleteAsync(Golden.Request));
        ProcessTable.Signal(appHost.Id, "TERM");
        Assert.Equal(0, await appHost.ExitsAsync(TimeSpan.FromSeconds(10)));
    }

    /// <summary>Opens many connections that say nothing, does something meanwhile, and closes them.</summary>
    private static async Task ConnectAsync(int port, Func<IdleConnections, Task> meanwhile)
    {
        using var idle = new IdleConnections();
        await idle.OpenAsync(port, ManyConnections);
        await meanwhile(idle);
    }

    /// <summary>Connections that say nothing.</summary>
    private sealed class IdleConnections : IDisposable
    {
        private readonly List<Socket> sockets = [];

        public async Task OpenAsync(int port, int count)
        {
            for (int i = 0; i < count; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                try
                {
                    await socket.ConnectAsync("127.0.0.1", port, TestContext.Current.CancellationToken);
                }
                catch (SocketException)
                {
                    // Refused already.
                }
            }
        }

        /// <summary>How many the other side has not closed after a while.</summary>
        public async Task<int> CountOpenAsync()
        {
            await Task.Delay(TimeSpan.FromSeconds(0.5), TestContext.Current.CancellationToken);
            return sockets.Count(socket => socket.Connected && !socket.Poll(0, SelectMode.SelectRead));
        }

        public void Dispose()
        {
            foreach (Socket socket in sockets) socket.Dispose();
        }
    }
}
