using System.Runtime.InteropServices;
using Llama.Torch.Native;
using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>A pass as one call of a script: an eighth of the managed work of single operations, and fewer kernels.</summary>
internal sealed class ScriptedOperations : ILayerOperations
{
    // Keys and values are kept as finite numbers: masked positions count as 0 times what lies there, whoever wrote it.
    // A semantic error in a script ends the process when it is compiled or run; so the text never changes, and the tests run all of it.
    private const string Source = """
        def product(x, w, b):
            y = torch.linear(x, w)
            if b.numel() > 0:
                y = y + b
            return y

        def attend(q, kp, vp, slots, mask, kv: int):
            n = q.size(0)
            length = slots.size(1)
            flat = slots.reshape([-1])
            k = kp.index_select(0, flat).view([n, length, kv, -1]).transpose(1, 2)
            v = vp.index_select(0, flat).view([n, length, kv, -1]).transpose(1, 2)
            return torch.scaled_dot_product_attention(q, k, v, mask)

        def attend_whole(q, kp, vp, slots, mask, rows: int, kv: int):
            n, heads, hd = q.size(0), q.size(1), q.size(2)
            length = slots.size(1)
            flat = slots.reshape([-1])
            q = torch.constant_pad_nd(q, [0, 0, 0, 0, 0, rows - n]).view([rows, kv, heads // kv, hd]).permute([1, 2, 0, 3])
            k = kp.index_select(0, flat).permute([1, 0, 2]).unsqueeze(1).expand([kv, heads // kv, length, hd])
            v = vp.index_select(0, flat).permute([1, 0, 2]).unsqueeze(1).expand([kv, heads // kv, length, hd])
            return torch.scaled_dot_product_attention(q, k, v, mask).permute([2, 0, 1, 3]).reshape([rows, heads * hd])

        def layer(x, an, wqkv, bqkv, wo, bo, fn, wgu, bgu, wd, bd, kp, vp, cos, sin, own, slots, mask, together: int, heads: int, kv: int, hd: int, eps: float):
            rows = x.size(0)
            n = own.size(0)
            h = torch.rms_norm(x, [x.size(1)], an, eps).to(wqkv.dtype)
            qkv = product(h, wqkv, bqkv)[:n].float().view([n, heads + 2 * kv, hd])
            a = qkv[:, :heads + kv, :hd // 2]
            b = qkv[:, :heads + kv, hd // 2:]
            turned = torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(kp.dtype)
            kp.index_copy_(0, own, torch.nan_to_num(turned[:, heads:]))
            vp.index_copy_(0, own, torch.nan_to_num(qkv[:, heads + kv:].to(vp.dtype)))
            q = turned[:, :heads].reshape([n, kv, heads // kv, hd])
            if together == 0:
                o = attend_whole(turned[:, :heads], kp, vp, slots, mask, rows, kv)
            elif together >= n:
                o = attend(q, kp, vp, slots, mask, kv).reshape([n, heads * hd])
            else:
                parts: List[Tensor] = []
                for i in range(0, n, together):
                    parts.append(attend(q[i:i + together], kp, vp, slots[i:i + together], mask[i:i + together], kv))
                o = torch.cat(parts, 0).reshape([n, heads * hd])
            o = o.to(wo.dtype)
            if o.size(0) < rows:
                o = torch.constant_pad_nd(o, [0, 0, 0, rows - n])
            x = x + product(o, wo, bo)
            h = torch.rms_norm(x, [x.size(1)], fn, eps).to(wgu.dtype)
            gate, up = torch.chunk(product(h, wgu, bgu), 2, -1)
            return x + product((torch.silu(gate) * up).to(wd.dtype), wd, bd)

        def run(x, embedding: Optional[Tensor], norm: Optional[Tensor], output: Optional[Tensor], sampled: Optional[Tensor], w: List[Tensor], cos, sin, positions, blocks, together: int, heads: int, kv: int, hd: int, eps: float):
            if embedding is not None:
                x = embedding.index_select(0, x).float()
            places = torch.arange(16, device=blocks.device)
            slots = (blocks.unsqueeze(-1) * 16 + places).view([blocks.size(0), -1])
            n = cos.size(0)
            if together == 0:
                own = slots[0].index_select(0, positions[:n])
            else:
                positions = positions[:n]
                own = slots.gather(1, positions.unsqueeze(-1)).squeeze(-1)
            unseen = torch.arange(slots.size(1), device=blocks.device) > positions.unsqueeze(-1)
            mask = torch.zeros([positions.size(0), slots.size(1)], device=blocks.device, dtype=w[10].dtype).masked_fill(unseen, float('-inf'))
            if together > 0:
                mask = mask.unsqueeze(1).unsqueeze(1)
            for i in range(len(w) // 12):
                j = i * 12
                x = layer(x, w[j], w[j+1], w[j+2], w[j+3], w[j+4], w[j+5], w[j+6], w[j+7], w[j+8], w[j+9], w[j+10], w[j+11], cos, sin, own, slots, mask, together, heads, kv, hd, eps)
            if norm is not None and output is not None and sampled is not None:
                h = torch.rms_norm(x.index_select(0, sampled), [x.size(1)], norm, eps).to(output.dtype)
                x = torch.linear(h, output).float()
            return x

        def copy_block(w: List[Tensor], source: int, target: int):
            for i in range(len(w) // 12):
                for j in range(10, 12):
                    pool = w[i * 12 + j]
                    pool[target * 16:target * 16 + 16].copy_(pool[source * 16:source * 16 + 16])
            return w[0]

        """;

    private static readonly Lazy<ScriptedOperations> Compiled = new(() => new ScriptedOperations());
    private readonly torch.jit.CompilationUnit unit;

    private ScriptedOperations()
    {
        TorchNative.TurnFusersOff();
        unit = torch.jit.compile(Source);
    }

    /// <inheritdoc/>
    public string Name => "script";

    /// <summary>The compiled script; null where this libtorch does not compile it, and single operations are to be used.</summary>
    public static ScriptedOperations? Instance
    {
        get
        {
            try
            {
                return Compiled.Value;
            }
            catch (Exception e) when (e is ExternalException or EntryPointNotFoundException)
            {
                return null;
            }
        }
    }

    /// <inheritdoc/>
    public torch.Tensor Run(
        torch.Tensor input, torch.Tensor? embedding, torch.Tensor[] layers, StepRows rows, LayerShape shape, OutputRows? head) =>
        (torch.Tensor)unit.invoke(
            "run", input, embedding!, head?.Norm!, head?.Output!, head?.Sampled!, layers, rows.Cosines, rows.Sines, rows.Positions, rows.Blocks,
            rows.TokensTogether, shape.Heads, shape.KvHeads, shape.HeadDim, shape.NormEps);

    /// <inheritdoc/>
    public void CopyBlock(torch.Tensor[] layers, int source, int target) =>
        ((torch.Tensor)unit.invoke("copy_block", layers, source, target)).Dispose();
}
