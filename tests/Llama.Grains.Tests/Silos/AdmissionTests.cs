using Llama.Grains.Silos;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Tests;

namespace Llama.Grains.Tests.Silos;

/// <summary>Silos of a view are planned with when they have answered a handshake, and refused by name otherwise.</summary>
public sealed class AdmissionTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly RecordingLogger logger = new();
    private readonly List<LinkListener> listeners = [];
    private readonly Admission admission;

    public AdmissionTests() => admission = new Admission(LinkPair.Identity("gateway"), time, logger, Patience.Token);

    public async ValueTask DisposeAsync()
    {
        foreach (LinkListener listener in listeners) await listener.DisposeAsync();
    }

    [Fact]
    public async Task Admit_SilosOfThisClusterAndOthers_AdmitsTheFirstAndNamesTheOthers()
    {
        SilosView view = View(
            Listen(LinkPair.Identity("silo-1")), Listen(LinkPair.Identity("silo-2", fingerprint: "beef")),
            Listen(LinkPair.Identity("silo-3", contextLength: 100)), Listen(LinkPair.Identity("silo-4", key: "another")),
            Members.Make("silo-5", "127.0.0.1:1"));
        Assert.Empty(admission.Admit(view));
        Assert.True(admission.Expects);
        await AnsweredAsync();

        Assert.Equal(["silo-1"], admission.Admit(view).Select(silo => silo.Name));
        Assert.False(admission.Expects);
        string[] refusals = [.. admission.Refusals];
        Assert.Equal(4, refusals.Length);
        AssertRefused(refusals[0], "silo-2", "fingerprint f00d; expected beef");
        AssertRefused(refusals[1], "silo-3", "another --context: 256 tokens; expected 100");
        AssertRefused(refusals[2], "silo-4", "did not prove that it has this cluster's key");
        AssertRefused(refusals[3], "silo-5", "127.0.0.1:1");
        Assert.Equal(4, logger.Messages.Count);
    }

    [Fact]
    public async Task Admit_RefusedSilo_IsTriedAgainAfterAWhileAndSaidOnce()
    {
        SilosView view = View(Members.Make("silo-1", "127.0.0.1:1"));
        for (int i = 0; i < 3; i++)
        {
            admission.Admit(view);
            await AnsweredAsync();
            Assert.Empty(admission.Admit(view));
            Assert.Empty(admission.InFlight);
            time.Advance(TimeSpan.FromSeconds(60));
        }

        Assert.Single(logger.Messages);
    }

    [Fact]
    public async Task Admit_SiloThatWasRefusedAndComesBack_IsAdmitted()
    {
        Member stranger = Listen(LinkPair.Identity("silo-1", fingerprint: "beef"));
        admission.Admit(View(stranger));
        await AnsweredAsync();
        Assert.Empty(admission.Admit(View(stranger)));
        Assert.Single(admission.Refusals);

        Member silo = Listen(LinkPair.Identity("silo-1"));
        admission.Admit(View(silo));
        await AnsweredAsync();
        Assert.Equal([silo], admission.Admit(View(silo)));
        Assert.Empty(admission.Refusals);
    }

    [Fact]
    public void Admit_SiloThatDoesNotAnswer_IsNotExpectedForLong()
    {
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        SilosView view = View(Members.Make("silo-1", $"{silent.LocalEndpoint}"));
        Assert.Empty(admission.Admit(view));
        Assert.True(admission.Expects);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(admission.Admit(view));
        Assert.False(admission.Expects);
    }

    [Fact]
    public void Admit_FaultsOfTheView_AreSaidOnceAndRefusedAsLongAsTheyAreThere()
    {
        for (int i = 1; i <= 3; i++) Assert.Empty(admission.Admit(new SilosView(i, [], ["Silo 'a' has 0 threads; expected at least 1."])));
        Assert.Contains("Silo 'a'", Assert.Single(logger.Messages), StringComparison.Ordinal);
        Assert.Equal(["Silo 'a' has 0 threads; expected at least 1."], admission.Refusals);
        Assert.False(admission.Expects);

        Assert.Empty(admission.Admit(new SilosView(4, [], ["Silo 'b' has 0 threads; expected at least 1."])));
        Assert.Equal(["Silo 'b' has 0 threads; expected at least 1."], admission.Refusals);
        Assert.Empty(admission.Admit(new SilosView(5, [], [])));
        Assert.Empty(admission.Refusals);
        Assert.Equal(2, logger.Messages.Count);
    }

    private static void AssertRefused(string refusal, string silo, string part)
    {
        Assert.StartsWith($"Silo {silo} is refused: ", refusal, StringComparison.Ordinal);
        Assert.Contains(part, refusal, StringComparison.Ordinal);
    }

    private static SilosView View(params Member[] members) => new(1, members, []);

    private Task AnsweredAsync() => Task.WhenAll(admission.InFlight).Soon();

    private Member Listen(LinkIdentity self)
    {
        LinkListener listener = LinkListener.Start(
            "127.0.0.1", 0, self, async (stream, _, cancellationToken) => await Handshake.AcceptAsync(stream, cancellationToken),
            new RecordingLogger());
        listeners.Add(listener);
        return Members.Make(self.Name, $"{listener.EndPoint}");
    }
}
