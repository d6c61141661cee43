import sys, time, collections, faulthandler, signal
from concurrent.futures import ProcessPoolExecutor
from tests.whole_node.cluster import run_seed
from tests.simulation.checkers import Violation
class Slow(BaseException): pass
def alarm(*a):
    import traceback
    raise Slow("".join(traceback.format_stack(limit=9)))
def one(seed):
    signal.signal(signal.SIGALRM, alarm); signal.alarm(25)
    t=time.perf_counter()
    try:
        c=run_seed(seed)
    except BaseException as e:
        return seed, (type(e).__name__+": "+str(e)), 0, time.perf_counter()-t, {}
    finally: signal.alarm(0)
    return seed, None, c.calm_ms, time.perf_counter()-t, dict(blocks=max(c.checkers.decided,default=0), lives=sum(h.lives for h in c.hosts), cuts=sum(h.power_cuts for h in c.hosts), lost=sum(h.disk.lost for h in c.hosts), snaps=sum(h.snapshots_installed for h in c.hosts), bought=len(c.clients.purchases))
if __name__=="__main__":
    a,b=map(int,sys.argv[1].split("-"))
    tot=collections.Counter(); fails=0; secs=[]; calms=[]
    with ProcessPoolExecutor(int(sys.argv[2]) if len(sys.argv)>2 else 2) as pool:
        for seed,err,calm,s,facts in pool.map(one, range(a,b), chunksize=4):
            secs.append(s)
            if err: 
                fails+=1
                msg=err.split("): ",1)[-1].replace("\n"," ")[:1000 if err.startswith("Slow") else 330]
                print("FAIL",seed,msg, flush=True)
            else: tot.update(facts); calms.append((calm,seed))
    print(b-a,"seeds",fails,"failed", "mean %.2f max %.2f s"%(sum(secs)/len(secs),max(secs)), dict(tot), "longest calms", sorted(calms)[-6:])
