using System.ComponentModel.DataAnnotations;
using Llama.Bench.Chaos;

namespace Llama.Bench.Tests.Chaos;

public class ChaosOptionsTests
{
    [Fact]
    public void Validate_EtcdToKillAndAnotherToUse_AreNamed()
    {
        var both = new ChaosOptions { EtcdKills = 1, Cluster = "etcd://127.0.0.1:2379" };
        Assert.Equal(["EtcdKills", "Cluster"], Assert.Single(both.Validate(new ValidationContext(both))).MemberNames);
        Assert.Empty((both with { EtcdKills = 0 }).Validate(new ValidationContext(both)));
        Assert.Empty((both with { Cluster = null }).Validate(new ValidationContext(both)));
    }
}
